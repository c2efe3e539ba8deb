"""The correlation report: estimates with their intervals, and the files that are written.

What it says is in `test_answer.py`. Covers `report/correlation_page.py`, `report/estimates.py`, `report/markdown.py`,
`report/publishing.py`, `tables/join.py`, `figures/forest.py`, `figures/rows.py`, `figures/specificity.py` and
`figures/bands.py`.
"""

import html as escaping
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from invented import report_inputs, small_study

from headreuse import figures
from headreuse.correlation.across import CONTRASTED
from headreuse.figures.bands import BANDS, medians_over_seeds
from headreuse.figures.rows import ZERO
from headreuse.figures.specificity import specificity_over_seeds
from headreuse.figures.views import choices_of, frames_of
from headreuse.report import ReportInputs, correlation_page, markdown, render
from headreuse.report import power as powers
from headreuse.report.evidence import evidence
from headreuse.report.markdown import plain
from headreuse.report.publishing import correlation_inputs, write_correlation_report
from headreuse.store.folder import RunFolder
from headreuse.study import Group
from headreuse.study.primary import Primary
from headreuse.tables import join
from headreuse.tables.join import Joined

PRIMARY = {"overlap_metric": "cosine", "outcome": "log_prob"}
HOSTILE = "a|b\n<img src=x onerror=alert(1)>[c](javascript:x)"


@pytest.fixture(scope="module")
def inputs() -> ReportInputs:
    return report_inputs(n_checkpoints=6)


def frame_of(figure, **chosen):
    """The traces of the view in which these are chosen, else what is shown first."""
    key = [str(chosen.get(entry.name, entry.start)) for entry in choices_of(figure)]
    name = json.dumps(key, ensure_ascii=False, separators=(",", ":"))
    return next(frame for frame in frames_of(figure) if frame.name == name).data


def is_interval(trace) -> bool:
    return trace.mode == "lines" and trace.name != ZERO


def points_of(figure, frame) -> list[tuple[float, str]]:
    """Value and marker of each point, panel by panel."""
    marked = [
        change
        for trace, change in zip(figure.data, frame, strict=True)
        if trace.mode == "markers" and change.marker.symbol and change.x is not None
    ]
    return [pair for change in marked for pair in zip(change.x, change.marker.symbol, strict=True)]


def estimate(group="g", kind="related", statistic="step_adjusted", **more) -> dict[str, object]:
    row = {"group": group, "kind": kind, "overlap_metric": "ablation_map_difference", "method": "mean_ablation"}
    row |= {"outcome": "exact_match", "transfer_metric": "gap", "statistic": statistic, "value": 0.5, "n_runs": 5}
    row |= {"ci_low": 0.1, "ci_high": 0.8, "interval": "order statistics over runs", "p": np.nan, "test": ""}
    return row | {"q": np.nan, "n_points": 60, "verdict": "", "direction": "", "primary": False, "note": ""} | more


def sentences(inputs: ReportInputs, *rows: dict[str, object]) -> list[str]:
    return evidence(replace(inputs, correlation=pd.DataFrame(rows)))


# Forest


@pytest.mark.parametrize("chosen", [{}, {"outcome": "log_prob", "transfer_metric": "transfer_fraction"}])
def test_forest_points_and_lines_are_the_tables_values_and_intervals(inputs, chosen):
    value = inputs.correlation["value"]
    known = inputs.correlation.assign(ci_low=value - 0.2, ci_high=value + 0.1)
    control = estimate("capitalize_reverse", statistic="aligned", overlap_metric="main_accuracy", value=0.99)
    rows = pd.concat([known, pd.DataFrame([control | {"method": "negative control", "outcome": "accuracy"}])])
    figure = figures.forest(rows)
    frame = frame_of(figure, **chosen)
    rows = known[(known["statistic"] == "aligned") & (known["transfer_metric"] == chosen.get("transfer_metric", "gap"))]
    rows = rows[rows["outcome"].isin([chosen.get("outcome", "exact_match"), "pattern"])]
    assert len(rows) == 2 * 5
    assert sorted(value for value, _ in points_of(figure, frame)) == pytest.approx(sorted(rows["value"]), rel=1e-3)
    lines = [change for trace, change in zip(figure.data, frame, strict=True) if is_interval(trace)]
    ends = sorted(end for line in lines for end in line.x if end is not None)
    assert ends == pytest.approx(sorted([*rows["ci_low"], *rows["ci_high"]]), rel=1e-3)


def test_a_point_without_interval_is_hollow_and_tells_why(inputs):
    rows = pd.DataFrame([estimate(), estimate("h", "control", ci_low=np.nan, ci_high=np.nan, note="only <2 runs")])
    figure = figures.forest(rows)
    assert [symbol for _, symbol in points_of(figure, frame_of(figure))] == ["circle", "circle-open"]
    assert "only &lt;2 runs" in figure.to_json().replace("\\u003c", "<").replace("\\u0026", "&")


def test_the_contrast_stands_with_the_statistic_that_it_is_of():
    rows = [estimate(statistic=CONTRASTED), estimate(statistic="within_run")]
    contrast = estimate("related − control", "contrast", "related_minus_control", value=0.9)
    figure = figures.forest(pd.DataFrame([*rows, contrast]))
    assert (0.9, "circle") in points_of(figure, frame_of(figure, statistic=CONTRASTED))
    assert (0.9, "circle") not in points_of(figure, frame_of(figure, statistic="within_run"))


def test_labels_of_the_forest_tell_runs_and_points(inputs):
    figure = figures.forest(pd.DataFrame([estimate("alone", n_runs=1, n_points=12)]))
    texts = [text for trace in frame_of(figure) for text in trace.text or ()]
    assert texts == ["alone<br>1 run, 12 points"]


# Specificity and bands


def test_specificity_shows_medians_over_seeds_and_chance(inputs):
    kinds = {group.name: group.kind for group in inputs.study.groups}
    with_kind = inputs.functional_overlap.assign(kind=inputs.functional_overlap["group"].map(kinds))
    summary = specificity_over_seeds(with_kind)
    mains = {group.name: group.main.task for group in inputs.study.groups}
    figure = figures.functional_specificity(summary, mains=mains)
    rows = inputs.functional_overlap[inputs.functional_overlap["outcome"] == "exact_match"]
    main = rows["group"].map(mains)
    rows = rows[(rows["source"] == main) | (rows["target"] == main)]
    medians = rows.groupby(["group", "source", "target"])["value"].median()
    assert sorted(value for value, _ in points_of(figure, frame_of(figure))) == pytest.approx(sorted(medians), rel=1e-3)
    chance = [value for trace in frame_of(figure) if trace.x and not trace.marker.symbol and not trace.text
              and None not in trace.x for value in trace.x]  # fmt: skip
    assert chance == pytest.approx([0.3] * len(medians))


def test_bands_leave_unusable_overlap_out_and_keep_its_gap():
    points = pd.DataFrame(
        [("g", seed, 10, "cosine", "cosine", overlap, usable, gap, 1 - gap)
         for seed, overlap, usable, gap in [(0, 0.2, True, 0.4), (1, 0.6, True, 0.2), (2, 9.0, False, 0.3)]],
        columns=["group", "seed", "step", "measure", "metric", "overlap", "usable", "gap", "transfer_fraction"],
    )  # fmt: skip
    medians = medians_over_seeds(points).set_index("measure")
    assert medians.loc["overlap", ["median", "low", "high", "n_seeds"]].tolist() == pytest.approx([0.4, 0.2, 0.6, 2])
    assert medians.loc["gap", ["median", "n_seeds"]].tolist() == pytest.approx([0.3, 3])


@pytest.mark.parametrize(("n_seeds", "bands"), [(4, ("range of seeds",)), (8, tuple(BANDS))])
def test_a_band_of_the_median_is_offered_only_where_there_are_seeds_for_it(n_seeds, bands):
    gaps = np.arange(n_seeds) / 10
    points = pd.DataFrame(
        {"group": "g", "seed": range(n_seeds), "step": 10, "measure": "cosine", "metric": "cosine", "usable": True}
    ).assign(overlap=gaps, gap=gaps, transfer_fraction=gaps)
    figure = figures.seed_bands(points, kind="related")
    assert choices_of(figure)[1].values == bands
    if len(bands) > 1:
        low, high, line = frame_of(figure, band=bands[1])[:3]
        assert (low.y, high.y, line.y) == ((0.1,), (0.6,), (0.35,))


# What is said


@pytest.mark.parametrize(("low", "finding"), [(-0.2, "do not settle"), (0.1, "these groups differ")])
def test_the_contrast_is_told_with_its_interval(inputs, low, finding):
    row = estimate("related − control", "contrast", "related_minus_control", ci_low=low, ci_high=0.9, **PRIMARY)
    said = " ".join(sentences(inputs, row))
    assert finding in said
    assert "less closely in related groups than in controls (related minus control 0.50" in said


def test_groups_as_the_unit_are_told_where_they_are_tested(inputs):
    row = estimate("all groups", "all", "between_group", value=0.7, p=0.03, q=0.06, n_points=8, **PRIMARY)
    assert "Over 8 groups" in sentences(inputs, row)[-1]
    assert "p = 0.03 by permuting groups, q = 0.06" in sentences(inputs, row)[-1]
    assert "Over 8 groups" not in " ".join(sentences(inputs, row | {"p": np.nan}))


def test_power_is_told_first_among_the_limits(inputs, monkeypatch):
    few = correlation_page(inputs).caveats[0]
    assert few.startswith("Power, in capitalize_reverse alone: 2 seeds describe and cannot test; it takes 4 seeds")
    monkeypatch.setattr(powers, "N_SIMULATIONS", 2)
    powers.findable.cache_clear()
    four = report_inputs(small_study(seeds=(0, 1, 2, 3)), n_checkpoints=8)
    said = correlation_page(four).caveats[0]
    assert re.search(r"With 4 runs and \d usable checkpoints each", said)
    powers.findable.cache_clear()
    assert correlation_page(four).caveats[0] == said
    powers.findable.cache_clear()


# The files


def test_markdown_has_a_row_for_each_headline_estimate(inputs):
    text = markdown(inputs, correlation_page(inputs), all_rows="correlation.csv")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    statistics = 1 + 3 + 1  # the verdict, its parts, within runs
    assert len(lines) == 2 + 2 * 2 * statistics  # two groups, the primary and the published measures
    assert len({line.count(" | ") for line in lines}) == 1
    assert evidence(inputs)[0] in text
    assert f"All {len(inputs.correlation)} estimates: `correlation.csv`" in text


def hostile() -> ReportInputs:
    study = small_study()
    renamed = {group.name: f"{HOSTILE}{number}" for number, group in enumerate(study.groups)}
    plain_inputs = report_inputs(n_checkpoints=3)
    named = {
        name: table.assign(group=table["group"].map(renamed))
        for name, table in vars(plain_inputs).items()
        if isinstance(table, pd.DataFrame) and len(table)
    }
    groups: tuple[Group, ...] = tuple(group.model_copy(update={"name": renamed[group.name]}) for group in study.groups)
    study = study.model_copy(update={"name": HOSTILE, "groups": groups})
    more = {"study": study, "problems": [HOSTILE], "command": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    return replace(plain_inputs, **(named | more | {"patterns": ()}))


def test_hostile_names_are_text_in_the_page_and_in_markdown():
    inputs = hostile()
    page = correlation_page(inputs)
    whole = render(inputs, page)
    assert "<img src=x" not in whole
    assert escaping.escape(HOSTILE.split("\n")[1], quote=False).split("[")[0] in whole
    text = markdown(inputs, page, all_rows="correlation.csv")
    assert "<img" not in text
    assert "](javascript" not in text.replace("\\]", "")
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("| ")}
    assert len(cells) == 1


def test_plain_text_keeps_to_one_cell():
    assert plain("a|b\nc <i> `x` [y](z)") == "a\\|b c &lt;i&gt; \\`x\\` \\[y\\](z)"


def run_folder(root, seeds=(0, 1)) -> RunFolder:
    study = small_study(seeds=seeds, primary=Primary(groups=("capitalize_reverse",)))
    return RunFolder.create(root, study, command="headreuse run analyses/demo.toml")


@pytest.fixture(scope="module")
def joined(tmp_path_factory, inputs) -> Joined:
    """Two run folders whose tables are invented."""
    root = tmp_path_factory.mktemp("runs")
    folders = [run_folder(root / name) for name in ("one", "two")]
    made = {name: table for name, table in vars(inputs).items() if isinstance(table, pd.DataFrame)}
    made["measured_transfer"] = pd.DataFrame([], columns=["group", "seed", "step"])
    made["overlap"] = made["overlap"][made["overlap"]["outcome"].isin(["exact_match", "pattern"])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(join, "make_tables", lambda folder: made)
        return join.join([folder.root for folder in folders])


def test_several_folders_give_one_report_of_all_their_groups(joined, tmp_path):
    assert correlation_inputs(joined).study.question == joined.question
    assert joined.question.groups == ("one/capitalize_reverse", "two/capitalize_reverse")
    written = write_correlation_report(joined, tmp_path)
    assert [path.name for path in written] == ["correlation.html", "correlation.md", "correlation.csv"]
    rows = pd.read_csv(tmp_path / "correlation.csv")
    assert len(rows) == len(joined.tables["correlation"])
    assert {"one/copy_control", "two/copy_control", "all related groups"} <= set(rows["group"])
    assert {"value", "ci_low", "ci_high", "n_runs", "n_points", "interval", "test", "p", "q", "note"} <= set(rows)
    whole = (tmp_path / "correlation.html").read_text()
    assert "<h1>one + two</h1>" in whole
    assert "one: made by" in whole
    assert "<dt>two: torch</dt>" in whole
    text = (tmp_path / "correlation.md").read_text()
    assert text.startswith("# Head reuse and length transfer: one + two\n")
    for section in ("estimates", "transfer", "clocks", "bands", "sharing", "functional"):
        assert f'<section id="{section}">' in whole
    assert whole.count("Nothing to show") == 0
