"""What is kept of a finished study: its settings, its small tables, and a picture of how far each task reaches.

python -m analyses.collect RUN_FOLDER --out analyses/results/NAME

writes study.json, transfer.csv, accuracy.csv, overlap.csv, correlation.csv, functional_overlap.csv and accuracy.png,
and where the study has them arms.csv, arms.png, ablation_by_length.csv and ablation_by_length.png. A table that is too
large is kept at the last step of each group; if it still is, exact match, log probability, attention and pattern alone,
of the correlation with the gap, of functional overlap between main and others. Transfer and overlap are kept at every
step, so that correlations can be made again from them: of the overlap main with its auxiliaries, each value with
whether it is usable, and the accuracies; of a large one cosine and the published measures. The pictures, of sections of
the study's report, need the extra `browser` and a Chromium; without them, give `--no-picture`.
"""

import argparse
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from headreuse.command.standing import standing
from headreuse.errors import HeadreuseError
from headreuse.report.publishing import write_report
from headreuse.store.folder import RunFolder
from headreuse.store.writing import written_whole
from headreuse.study.group import Group
from headreuse.tables.make import make_tables

KEPT = ("transfer", "accuracy", "overlap", "correlation", "functional_overlap")
KEPT_WHERE_THERE = ("arms", "ablation_by_length")
MAX_BYTES = 100_000
"""Of one table; larger ones lose what is said above."""
DECIMALS = 5
OF_OVERLAP = [
    *("group", "seed", "step", "task_a", "task_b", "length", "method", "outcome", "metric"),
    *("value", "baseline_a", "baseline_b", "usable"),
]
"""The columns of the overlap table that the correlation is made of."""
HEADLINE_OUTCOMES = ("exact_match", "log_prob", "attention", "pattern")
"""Of a table that is too large these are kept."""
HEADLINE_METRICS = ("cosine", "ablation_map_difference", "attention_difference")
"""Of an overlap table that is too large these are kept."""
PICTURES = ("accuracy", *KEPT_WHERE_THERE)
"""The sections of the report that are kept as pictures, where it has them."""
ON_PICTURES = ".tools, nav, .fold > summary::before { display: none } #arms .exhibits { grid-template-columns: 100% }"
"""No controls, and the arms as wide as the picture."""
ARGS = ["--no-sandbox", "--disable-gpu"]
"""The page is our own and fetches nothing; as root a Chromium starts only without its sandbox."""


def kept_tables(tables: dict[str, pd.DataFrame], groups: Sequence[Group]) -> Iterator[tuple[str, str]]:
    """Names and CSV texts of the tables that are kept: of one that is too large, what `HEADLINES` leaves of it."""
    mains = {group.name: group.main.task for group in groups}
    for name in (*KEPT, *(name for name in KEPT_WHERE_THERE if len(tables.get(name, ())))):
        table = tables[name].round(DECIMALS)
        if name == "overlap":
            of_main = table["task_a"] == table["group"].map(mains)
            table = table[of_main & table["outcome"].isin(HEADLINE_OUTCOMES)][OF_OVERLAP]
        for shorten in SHORTENED.get(name, HEADLINES):
            if len(table.to_csv(index=False).encode()) > MAX_BYTES:
                table = shorten(table, mains)
        yield name, table.to_csv(index=False)


def _at_the_last_step(table: pd.DataFrame, _mains: Mapping[str, str]) -> pd.DataFrame:
    return table[table["step"] == table.groupby("group")["step"].transform("max")] if "step" in table else table


def _of_headlines(table: pd.DataFrame, mains: Mapping[str, str]) -> pd.DataFrame:
    """Headline outcomes, no empty head sets; of correlations those with the gap that say something, of pairs main's."""
    kept = table["outcome"].isin(HEADLINE_OUTCOMES) if "outcome" in table else pd.Series(data=True, index=table.index)
    if "n_heads" in table:
        kept &= table["n_heads"] > 0
    if "transfer_metric" in table:
        kept &= (table["transfer_metric"] == "gap") & (table["value"].notna() | table["primary"])
    if "source" in table:
        main = table["group"].map(mains)
        kept &= (table["source"] != table["target"]) & ((table["source"] == main) | (table["target"] == main))
    return table[kept]


def _of_headline_metrics(table: pd.DataFrame, _mains: Mapping[str, str]) -> pd.DataFrame:
    return table[table["metric"].isin(HEADLINE_METRICS)]


HEADLINES = (_at_the_last_step, _of_headlines)
"""One after the other, until a table is small enough."""
SHORTENED = {"overlap": (_of_headline_metrics,), "transfer": ()}
"""Otherwise, since correlations are made of these, at every step."""


def collect(folder: RunFolder, out: Path) -> list[Path]:
    """Write study.json and the small tables; returns what was written."""
    record = json.dumps(folder.study_record, indent=2) + "\n"
    texts = {"study.json": record} | {
        f"{name}.csv": text for name, text in kept_tables(make_tables(folder), folder.study.groups)
    }
    for name, text in texts.items():
        with written_whole(out / name) as draft:
            draft.write_text(text, encoding="utf-8")
    return [out / name for name in texts]


def pictures(folder: RunFolder, out: Path) -> list[Path]:
    """Sections of the report as PNG, as a browser shows them."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise HeadreuseError("a picture needs the extra `browser`: pip install 'headreuse[browser]'") from None
    chromium = shutil.which("chromium")
    if chromium is None:
        raise HeadreuseError("a picture needs a Chromium (on Debian: apt-get install chromium); or give --no-picture")
    write_report(folder)
    with sync_playwright() as started, started.chromium.launch(executable_path=chromium, args=ARGS) as browser:
        page = browser.new_page(viewport={"width": 1180, "height": 900}, color_scheme="light")
        page.goto(folder.report_file.resolve().as_uri())
        page.wait_for_function("document.body.dataset.drawn", timeout=300_000)
        page.add_style_tag(content=ON_PICTURES)
        sections = [name for name in PICTURES if page.locator(f"#{name} .plot").count()]
        for name in sections:
            page.locator(f"#{name}").screenshot(path=out / f"{name}.png")
    return [out / f"{name}.png" for name in sections]


def refuse_unfinished(folder: RunFolder) -> None:
    """Raises where a run lacks checkpoints or measurements: tables of a part would look like those of the whole."""
    missing = [run for run in standing(folder).runs if not run.is_done]
    if missing:
        left = f"{len(missing)} of its runs are not finished, as {missing[0]}"
        raise HeadreuseError(f"{folder.root}: {left}; `headreuse run` with the same study goes on from there")


def main() -> None:
    """Collect from a run folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="RUN_FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--no-picture", action="store_true")
    arguments = parser.parse_args()
    try:
        folder = RunFolder.open(arguments.folder)
        refuse_unfinished(folder)
        written = collect(folder, arguments.out)
        if not arguments.no_picture:
            written += pictures(folder, arguments.out)
    except HeadreuseError as error:
        parser.error(str(error))
    for path in written:
        print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
