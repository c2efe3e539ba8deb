"""The headline table has the numbers of the report, and every name in it as LaTeX and Markdown print it.

Covers `report/headline.py` and `report/typeset.py`.
"""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from command_line import headreuse
from invented import report_inputs, small_study

from headreuse.correlation.primary import ALL_RELATED
from headreuse.report import publishing
from headreuse.report.answer import answer
from headreuse.report.evidence import evidence
from headreuse.report.findings import primary_finding
from headreuse.report.headline import headline
from headreuse.report.typeset import as_latex, as_markdown, cells_of, latex
from headreuse.report.wording import percent, signed
from headreuse.store.folder import RunFolder


@pytest.fixture(scope="module")
def inputs():
    return report_inputs(n_checkpoints=2)


@pytest.fixture(scope="module")
def made(inputs):
    return headline(inputs)


def row_of(made, name: str) -> dict:
    return made.rows[made.rows["group"] == name].to_dict("records")[0]


def test_accuracies_are_those_that_the_report_tells(inputs, made):
    told = " ".join(answer(inputs))
    for group in inputs.study.groups:
        row = row_of(made, group.name)
        rows = inputs.of_group("transfer", group)
        last = rows[rows["step"] == rows["step"].max()]
        assert row["own_lengths"] == pytest.approx(last["accuracy_in_distribution"].mean())
        assert row["gap"] == pytest.approx(last["gap"].mean())
        lengths = f"lengths {group.main.max_length + 1} to {group.transfer_to}"
        assert f"is right on {percent(row['transfer_range'])} of the prompts of {lengths}" in told
        assert row["runs"] == len(inputs.study.seeds)


def test_the_correlation_p_and_verdict_are_those_that_the_report_tells(inputs, made):
    finding = primary_finding(inputs)
    row = row_of(made, str(finding.row["group"]))
    assert (row["is_primary"], row["verdict"]) == (True, finding.verdict)
    assert row["correlation"] == finding.value("step_adjusted")
    assert f"is {signed(row['correlation'])} at the same step" in evidence(inputs)[0]
    assert np.array_equal([row.get("p", np.nan)], [finding.row["p"]], equal_nan=True)
    assert sum(made.rows["is_primary"].eq(True)) == 1


def test_overlap_is_the_median_of_the_last_usable_checkpoints_of_the_runs(inputs, made):
    group, asked = inputs.study.groups[0], inputs.study.question
    rows = inputs.of_group("overlap", group)
    rows = rows[(rows["metric"] == asked.overlap) & (rows["outcome"] == asked.outcome)]
    rows = rows[rows["task_a"] == group.main.task]
    values, floors = [], []
    for _, run in rows.groupby("seed"):
        of_step = [found for _, found in run.groupby("step") if found["usable"].all()]
        values.append(of_step[-1]["value"].mean())
        floors.append(of_step[-1]["noise_floor"].mean())
    row = row_of(made, group.name)
    assert row["overlap"] == pytest.approx(np.median(values))
    assert (row["low"], row["high"]) == pytest.approx((min(values), max(values)))
    assert row["is_range"]
    assert row.get("noise_floor", np.nan) == pytest.approx(np.median(floors), nan_ok=True)


def test_what_was_measured_nowhere_has_no_column(inputs):
    found = headline(replace(inputs, overlap=inputs.overlap.iloc[:0], correlation=inputs.correlation.iloc[:0]))
    assert list(found.rows) == ["group", "kind", "runs", "own_lengths", "transfer_range", "gap"]
    assert "verlap" not in found.caption


def test_the_caption_names_study_seeds_and_versions(inputs, made):
    assert made.caption.startswith(f"Study {inputs.study.name}. ")
    assert f"{len(inputs.study.seeds)} seeds: {', '.join(map(str, inputs.study.seeds))}." in made.caption
    assert "headreuse 0.1.0, torch 2.13.0" in made.caption
    assert f"{inputs.study.question.overlap} of head maps" in made.caption


def test_latex_has_a_cell_for_every_column_and_escapes_names(made):
    text, cells = as_latex(made), cells_of(made)
    rows = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r" \\")]
    assert {len(row) for row in rows} == {len(cells.titles)}
    assert len(rows) == 1 + len(made.rows)
    columns = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)[1]
    assert columns == "".join("l" if is_text else "r" for is_text in cells.are_texts)
    assert rows[1][0] == made.rows["group"][0].replace("_", r"\_") + (" *" if len(made.rows) == 2 else "")
    assert not re.search(r"(?<!\\)[_%#]", text)
    assert text.count("toprule") == text.count("midrule") == text.count("bottomrule") == 1


def test_numbers_of_a_column_have_the_same_decimals(made):
    cells = cells_of(made)
    for title, column in zip(cells.titles, zip(*cells.rows, strict=True), strict=True):
        if title in ("own lengths", "transfer range", "gap", "overlap", "correlation"):
            assert all(re.fullmatch(r"−?\d\.\d\d|–", text) for text in column), title


def test_special_characters_are_printed_as_they_are():
    assert latex("a_b & 5 % {x} ~ ^ \\ −1") == (
        r"a\_b \& 5 \% \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{} $-$1"
    )


def test_markdown_stands_numbers_at_the_right(made):
    head, rule, *rows = as_markdown(made).split("\n\n")[0].splitlines()
    assert head.startswith("| group | kind | runs | own lengths |")
    assert rule.split(" | ")[:3] == ["| :---", ":---", "---:"]
    assert len({row.count("|") for row in (head, rule, *rows)}) == 1
    assert len(rows) == len(made.rows)


def test_several_related_groups_are_answered_together():
    study = small_study()
    first = study.groups[0]
    study = study.model_copy(update={"groups": (first, first.model_copy(update={"name": "again"}), *study.groups[1:])})
    inputs = report_inputs(study, n_checkpoints=2)
    of_first = inputs.correlation["group"] == first.name
    together = inputs.correlation[of_first].assign(group=ALL_RELATED, p=0.0314, value=-0.5)
    both = pd.concat([inputs.correlation.assign(primary=False), together], ignore_index=True)
    made = headline(replace(inputs, correlation=both))
    rows = made.rows
    assert rows["group"].tolist() == [group.name for group in study.groups] + [ALL_RELATED]
    assert rows["is_primary"].eq(True).tolist() == [False, False, False, True]
    assert (rows["p"].iloc[-1], rows["correlation"].iloc[-1]) == (0.0314, -0.5)
    assert r"all related groups * & related & -- & -- & -- & -- & -- & -- & $-$0.50 & 0.031 &" in as_latex(made)


def test_the_command_prints_it_or_writes_it_and_tells_what_is_no_format(tmp_path, monkeypatch, inputs, made):
    monkeypatch.setattr(publishing, "report_inputs", lambda folder: inputs)
    folder = RunFolder.create(tmp_path / "run", small_study(), command="test").root
    assert headreuse("table", folder)[:2] == (0, as_latex(made))
    out = tmp_path / "table.md"
    assert headreuse("table", folder, "--format", "markdown", "--out", out)[:2] == (0, f"{out}\n")
    assert out.read_text() == as_markdown(made)
    status, _, err = headreuse("table", folder, "--format", "html")
    assert (status, err) == (2, "headreuse: 'html' is no format; give latex or markdown\n")
