"""The page of results says what the tables beside it say: its relations are those of its folders, its numbers theirs.

Covers `analyses/results/README.md`.
"""

import re
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from analyses import gaps
from analyses.measured_arms import read_arms
from analyses.relations import relations

RESULTS = Path(__file__).parent.parent / "analyses" / "results"
PAGE = (RESULTS / "README.md").read_text()
KEPT = pd.read_csv(RESULTS / "relations" / "relations.csv")
NUMBER = r"(−?\d\.\d+)"
(SECTION,) = re.findall(r"^## Measured beside published\n(.*?)^### ", PAGE, re.DOTALL | re.MULTILINE)
RECALL = ("mqar", "recall_half", "recall_one")
"""The auxiliaries of copying."""
ROWS = [row for row in SECTION.splitlines() if row.startswith("| ")]


def as_written(value: float, decimals: int = 3) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")


def told(*columns: str) -> set[tuple[str, ...]]:
    """What the relations have in these columns, as the page writes it."""
    return {tuple(map(as_written, row)) for row in KEPT[list(columns)].dropna().to_numpy()}


def test_the_relations_are_those_of_the_folders_that_the_page_names():
    (row,) = re.findall(r"^\| `relations/` \| (.*?) \|", PAGE, re.MULTILINE)
    folders = [RESULTS / name for name in re.findall(r"`(\w+)/`", row)]
    assert len(folders) > 3
    made, _ = relations(read_arms(folders))
    as_read = pd.read_csv(StringIO(made.to_csv(index=False)))
    pd.testing.assert_frame_equal(as_read, KEPT, rtol=0, atol=1e-6)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[2].strip()[:40])
def test_the_numbers_of_the_table_are_those_of_the_relations(row):
    seeds = set(re.findall(rf"{NUMBER} \({NUMBER} to {NUMBER}\)", row))
    assert seeds <= told("median_a", "lowest_a", "highest_a") | told("median_b", "lowest_b", "highest_b")
    intervals = set(re.findall(rf"\[{NUMBER}, {NUMBER}\]", row))
    assert intervals <= told("ci_low", "ci_high")
    assert set(re.findall(rf"{NUMBER} \[{NUMBER}, {NUMBER}\]", row)) <= told("difference", "ci_low", "ci_high")


def test_the_table_has_numbers():
    assert len(re.findall(rf"{NUMBER} \({NUMBER} to {NUMBER}\)", SECTION)) > 20
    assert len(re.findall(rf"\[{NUMBER}, {NUMBER}\]", SECTION)) > 8


def seeds_of_copying():
    """What the three seeds of each arm of copying have, as the page writes it: accuracies, lengths reached, cosines."""
    for folder in [*RESULTS.glob("copy_recall*"), RESULTS / "reuse"]:
        accuracy, overlap, transfer = (
            pd.read_csv(folder / f"{name}.csv") for name in ("accuracy", "overlap", "transfer")
        )
        last = transfer.loc[transfer.groupby(["group", "seed"])["step"].idxmax()]
        is_written = (overlap["metric"] == "cosine") & (overlap["outcome"] == "log_prob")
        is_written &= overlap["task_b"].isin(RECALL) & (overlap["method"] == "mean_ablation")
        for (group, step), rows in last.sort_values("seed").groupby(["group", "step"]):
            here = f"group == '{group}' and step == {step}"
            curves = accuracy.query(f"{here} and role == 'main'").groupby("seed")
            heads = overlap[is_written].query(here).groupby("seed")
            yield (
                tuple(map(as_written, rows["accuracy_transfer"][:3])),
                ", ".join(str(reached(curve)) for _, curve in list(curves)[:3]),
                ", ".join(as_written(cosine["value"].iloc[0], 2) for _, cosine in heads),
            )


def reached(curve) -> int:
    """The longest length up to which main is right on half of the prompts of every length."""
    short = curve.loc[curve["accuracy"] < 0.5, "length"]
    return int(short.min()) - 1


def test_what_the_seeds_of_copying_have_is_in_a_table():
    (section,) = re.findall(r"^### Why copy does not reach(.*?)^### ", PAGE, re.DOTALL | re.MULTILINE)
    told = re.findall(rf"{NUMBER}, {NUMBER}, {NUMBER}", section)
    measured = list(seeds_of_copying())
    of_accuracy = [three for three in told if all(len(number) == len("0.000") for number in three)]
    assert len(of_accuracy) == 20
    assert set(of_accuracy) <= {accuracies for accuracies, _, _ in measured}
    in_full = re.findall(rf"\| ((?:{NUMBER}, )?{NUMBER}, {NUMBER})[^|]*\| (\d+, \d+, \d+) \| ([^|]+) \|", section)
    of_three = {(", ".join(accuracies), lengths, cosines) for accuracies, lengths, cosines in measured}
    rows = [(accuracies, lengths, cosines) for accuracies, *_, lengths, cosines in in_full]
    assert len(rows) == 16
    assert set(rows) <= of_three


def test_the_gaps_by_lengths_are_those_of_the_folders_that_the_page_names():
    (row,) = re.findall(r"^.*python -m analyses\.gaps.*$", PAGE, re.MULTILINE)
    folders = [RESULTS / name for name in dict.fromkeys(re.findall(r"`(\w+)/`", row))]
    assert len(folders) == 4
    made = gaps.with_published(gaps.measured(read_arms(folders)))
    kept = pd.read_csv(RESULTS / "lengths_strings" / "gaps.csv")
    pd.testing.assert_frame_equal(made, kept, check_dtype=False, rtol=0, atol=1e-5)


def test_the_gaps_that_the_page_gives_in_threes_are_in_the_tables():
    (section,) = re.findall(r"^### The gap by lengths\n(.*?)^### ", PAGE, re.DOTALL | re.MULTILINE)
    told = set(re.findall(r"(\d\.\d\d),\s+(\d\.\d\d),?\s+(?:and\s+)?(\d\.\d\d)", section))
    kept = pd.read_csv(RESULTS / "lengths_strings" / "gaps.csv")
    half_as_long = kept[(kept["task"] == "capitalize_reverse") & (kept["main"] == 2 * kept["auxiliary"])]
    measured = {tuple(as_written(gap, 2) for gap in half_as_long[name]) for name in ("gap", "published_reverse_add")}
    for folder in [*RESULTS.glob("lengths_*"), RESULTS / "reverse_add_8"]:
        last = pd.read_csv(folder / "transfer.csv").sort_values("step").groupby(["group", "seed"]).last()
        for name in ("gap", "accuracy_transfer"):
            measured |= {tuple(as_written(value, 2) for value in rows) for _, rows in last[name].groupby("group")}
    assert len(told) == 10
    assert told <= measured


def test_every_folder_of_results_is_on_the_page_with_its_study_file():
    table = PAGE.split("\n## ")[0]
    for folder in sorted(path for path in RESULTS.iterdir() if path.is_dir()):
        assert f"`{folder.name}/`" in table, folder.name
    for name in set(re.findall(r"analyses/\w+/\w+\.toml", PAGE)):
        assert (RESULTS.parents[1] / name).is_file(), name


def test_every_picture_and_table_that_the_page_leads_to_is_there():
    for link in re.findall(r"\]\(([^)#]+)[)#]", PAGE):
        assert ":" in link or (RESULTS / link).exists(), link
