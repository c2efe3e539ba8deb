"""The page of a study: it is whole, self-contained and safe, and it says no more than the numbers do.

Covers `report/page.py`, `report/answer.py`, `report/caveats.py`, `report/exhibits.py`, `report/glossary.py`,
`report/heads.py`, `report/inputs.py`, `report/overview.py`, `report/packing.py`, `report/tables.py`,
`report/training.py` and `report/wording.py`.
"""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from invented import report_inputs, small_study

from headreuse import figures
from headreuse.correlation.verdict import NAME, PARTS
from headreuse.correlation.wording import counted
from headreuse.report import ReportInputs, render
from headreuse.report.answer import answer
from headreuse.report.asked import asked
from headreuse.report.caveats import caveats
from headreuse.report.exhibits import MAX_SLIDER_STEPS, on_slider
from headreuse.report.overview import overview
from headreuse.report.packing import unpacked
from headreuse.report.tables import table
from headreuse.report.wording import listed, percent, signed

HOSTILE = "</script><img src=x onerror=alert(1)>"
MEGABYTE = 1e6


class Page(HTMLParser):
    """Elements, text outside of scripts, and the JSON of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.packed: list[str] = []
        self.feed(page)
        self.json = [text for packed in self.packed if (text := unpacked(packed))[0] == "{"]

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.elements.append((f"/{tag}", {}))

    def handle_data(self, text):
        tag, attributes = self.elements[-1] if self.elements else ("", {})
        if tag == "script" and attributes.get("type") == "text/plain":
            assert re.fullmatch(r"[\w+/=]+", text)
            self.packed.append(text)
        elif tag not in ("script", "style"):
            self.texts.append(text)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def with_class(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.elements if name in (attributes.get("class") or "").split()]


@pytest.fixture(scope="module")
def inputs() -> ReportInputs:
    return report_inputs(n_checkpoints=3)


@pytest.fixture(scope="module")
def html(inputs) -> str:
    return render(inputs)


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def strict(text: str):
    """JSON as a browser reads it: without NaN."""

    def refuse(constant: str):
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def tables_of(page: Page) -> list[dict]:
    return [found for text in page.json if "styles" in (found := strict(text))]


def rows_of(found: dict) -> pd.DataFrame:
    columns = [
        column if isinstance(column, list) else [column["texts"][code] for code in column["codes"]]
        for column in found["values"]
    ]
    return pd.DataFrame(dict(zip(found["names"], columns, strict=True)))


def accuracies_of(page: Page) -> pd.DataFrame:
    return next(rows for found in tables_of(page) if "role" in (rows := rows_of(found)))


def figures_of(page: Page) -> list[dict]:
    return [found for text in page.json if "data" in (found := strict(text))]


# The page


def test_the_same_inputs_give_the_same_bytes(inputs, html):
    assert render(inputs) == html


def test_the_page_refers_to_nothing_outside_itself(page):
    for tag, attributes in page.elements:
        assert "src" not in attributes, tag
        assert (attributes.get("href") or "#").startswith(("#", "data:")), tag


def test_the_page_has_every_part_in_order(page):
    parts = [
        "accuracy",
        "heads",
        "sharing",
        "functional",
        "attention",
        "trajectories",
        "transfer",
        "estimates",
        "clocks",
        "stability",
        "log",
        "study",
        "glossary",
    ]
    assert [attributes.get("id") for tag, attributes in page.elements if tag == "section"] == parts


def test_plotly_is_in_the_page_once_and_data_beside_it_are_small(html):
    assert [unpacked(text)[:200].count("plotly.js v") for text in Page(html).packed].count(1) == 1
    assert len(html) < 3 * MEGABYTE


def test_every_figure_has_its_own_id_and_numbers_below(page):
    ids = [attributes["id"] for attributes in page.with_class("exhibit")]
    assert len(ids) == 1 + 6 * 2 + 4
    every = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(every)) == len(every)
    assert {attributes["id"] for attributes in page.with_class("plot")} == {f"plot-{name}" for name in ids}
    tables = [attributes["id"] for tag, attributes in page.elements if tag == "table" and "id" in attributes]
    assert {name.rsplit("-", 1)[0].removeprefix("table-") for name in tables} == set(ids)


def test_tables_sort_by_buttons_that_say_how(page):
    headings = [attributes for tag, attributes in page.elements if tag == "th" and attributes.get("scope") == "col"]
    assert headings
    assert all(attributes["aria-sort"] == "none" for attributes in headings)
    buttons = [attributes for tag, attributes in page.elements if tag == "button"]
    assert sum("data-save" not in attributes for attributes in buttons) == len(headings)


def test_no_number_in_the_page_is_nan(page):
    views = [views for found in figures_of(page) if (views := found["layout"]["meta"].get("views"))]
    assert len(views) >= 10
    assert all(strict(text) for text in [*page.json, *views])


def test_study_versions_seeds_command_and_problems_are_told(page, inputs):
    assert inputs.command in page.text
    assert "Seeds 0, 1" in page.text
    for name, version in inputs.versions.items():
        assert f"{name} {version}" in page.text
    assert inputs.problems[0] in page.text
    assert "model.n_heads 4" in page.text
    assert f'"name": "{inputs.study.name}"' in page.text


def test_metrics_and_statistics_are_explained(page):
    text = page.text.split("Glossary")[-1]
    for term in ("generalization gap", "top k jaccard", "attention difference", "pooled spearman", "within run"):
        assert term in text


def test_hostile_names_stay_text():
    study = small_study(seeds=(0,))
    group = study.groups[0]
    entry = group.auxiliary[0].model_copy(update={"task": HOSTILE})
    group = group.model_copy(update={"name": HOSTILE, "auxiliary": (entry, *group.auxiliary[1:])})
    hostile = report_inputs(
        study.model_copy(update={"name": HOSTILE, "groups": (group,)}),
        n_checkpoints=2,
        command=HOSTILE,
        problems=[HOSTILE],
        versions={HOSTILE: HOSTILE},
    )
    page = Page(render(hostile))
    assert "img" not in {tag for tag, _ in page.elements}
    assert HOSTILE in page.text
    assert HOSTILE in str(accuracies_of(page)["task"].unique())
    assert not re.findall("<(img|/script)", " ".join(map(str, figures_of(page))))
    assert not [attributes for _, attributes in page.elements if any(name.startswith("on") for name in attributes)]


def test_an_unfinished_study_gives_a_page_that_says_so(inputs):
    names = ("accuracy", "head_scores", "transfer", "overlap", "functional_overlap", "clocks")
    empty = {name: getattr(inputs, name).iloc[:0] for name in names}
    page = Page(render(report_inputs(n_checkpoints=2, **empty, correlation=pd.DataFrame(), patterns=[])))
    assert page.text.count("Nothing to show: this has not been measured.") == 11
    assert "has not been measured at lengths 9 to 16" in page.text


def test_a_study_of_a_main_task_alone_gives_a_page(inputs):
    study = small_study(seeds=(0,))
    alone = study.groups[0].model_copy(update={"auxiliary": (), "kind": "alone", "transfer_to": 8})
    given = report_inputs(study.model_copy(update={"groups": (alone,)}), n_checkpoints=2)
    text = Page(render(given)).text
    assert "trained with nothing else has no auxiliary with longer inputs" in text
    assert "main and auxiliary?" not in text


def test_the_overview_has_each_groups_reach_and_overlap(inputs):
    """By hand from the tables: the median over seeds at their last checkpoint, and the mean over main's auxiliaries."""
    exhibit = overview(inputs)
    reach, alike = (rows_of(found.to_json()) for found in exhibit.tables)
    group = inputs.study.groups[0]
    rows = inputs.of_group("accuracy", group)
    rows = rows[(rows["task"] == group.main.task) & (rows["length"] == 10)]
    ends = [rows[rows["seed"] == seed].sort_values("step")["accuracy"].iloc[-1] for seed in (0, 1)]
    shown = reach[(reach["group"] == group.name) & (reach["length"] == 10)].iloc[0]
    assert shown[["accuracy", "low", "high"]].tolist() == pytest.approx([np.mean(ends), min(ends), max(ends)], rel=1e-3)
    asked, rows = inputs.study.question, inputs.of_group("overlap", group)
    rows = rows[(rows["metric"] == asked.overlap) & (rows["outcome"] == asked.outcome) & (rows["seed"] == 1)]
    rows = rows[(rows["task_a"] == group.main.task) & (rows["step"] == rows["step"].max())]
    assert rows["usable"].all()
    here = alike[(alike["group"] == group.name) & (alike["seed"] == 1)]
    assert here["overlap"].tolist() == pytest.approx([rows["value"].mean()], rel=1e-3)


def test_the_overview_says_why_a_group_has_no_overlap():
    reach = pd.DataFrame(
        [(name, 1, 1.0, 1.0, 1.0) for name in ("joint", "alone", "early")],
        columns=["group", "length", "accuracy", "low", "high"],
    )
    alike = pd.DataFrame([("joint", 0, 0.5)], columns=["group", "seed", "overlap"])
    figure = figures.overview(reach, alike, trained_to=1, overlap_title="cosine", alone=["alone"])
    assert {trace.y[0]: trace.text[0] for trace in figure.data if trace.mode == "text"} == {
        1: "one task alone",
        2: "no usable overlap",
    }


def test_there_is_no_overview_where_nothing_is_measured_by_length(inputs):
    assert overview(report_inputs(n_checkpoints=2, accuracy=inputs.accuracy.iloc[:0])) is None


# Tables


def test_the_accuracy_table_is_complete(page, inputs):
    rows = accuracies_of(page)
    measured = inputs.of_group("accuracy", inputs.study.groups[0])
    assert len(rows) == len(measured)
    np.testing.assert_allclose(rows["accuracy"], measured["accuracy"], rtol=5e-4)
    assert rows["task"].tolist() == measured["task"].tolist()


def test_below_the_points_is_what_the_verdict_rests_on_and_all_with_the_estimates(page, inputs):
    rows, estimates = (rows for found in tables_of(page) if "statistic" in (rows := rows_of(found)))
    assert len(estimates) == len(inputs.correlation)
    assert set(rows["statistic"]) == set(inputs.correlation["statistic"]) & {NAME, *PARTS, "within_run"}
    assert len(rows) == inputs.correlation["statistic"].isin(rows["statistic"]).sum()
    assert {"measure", "transfer_metric", "n_runs", "n_points"} <= set(rows)
    assert not {"p", "q"} & set(rows), "columns without any value are left out"


def test_table_values_are_short_and_holes_are_null():
    frame = pd.DataFrame(
        {"n": [3, 4], "x": [0.123456, np.nan], "ok": [True, False], "who": ["a", None], "none": [np.nan, np.nan]}
    )
    made = table(frame)
    assert made.values == ([3, 4], [0.1235, None], ["yes", "no"], ["a", None])
    assert [column.is_number for column in made.columns] == [True, True, False, False]
    assert len(made) == 2


def test_table_repeats_no_text():
    assert table(pd.DataFrame({"who": ["b", "a", "b"]})).to_json()["values"] == [
        {"texts": ["b", "a"], "codes": [0, 1, 0]}
    ]


def test_a_slider_keeps_first_and_last_of_many_checkpoints_and_says_how_many():
    rows, note = on_slider(pd.DataFrame({"step": range(100)}))
    assert len(rows) == MAX_SLIDER_STEPS
    assert rows["step"].iloc[[0, -1]].tolist() == [0, 99]
    assert f"{MAX_SLIDER_STEPS} of 100 checkpoints" in note
    assert on_slider(pd.DataFrame({"step": range(5)}))[1] == ""


# What is said


def two_groups(**changes) -> ReportInputs:
    """Last accuracies 0.7 and 0.9 in the related group, 0 and 0.01 in the control."""
    study = small_study()
    related, control = (group.name for group in study.groups)
    ends = [(related, 0, 200, 0.7), (related, 1, 200, 0.9), (control, 0, 90, 0.0), (control, 1, 90, 0.01)]
    columns = ["group", "seed", "step", "accuracy_transfer"]
    transfer = pd.DataFrame([(related, 0, 100, 0.0), *ends], columns=columns)
    given = {
        "transfer": transfer,
        "overlap": pd.DataFrame({"group": related, "seed": 0, "step": [1, 2, 3], "usable": [False, True, True]}),
    }
    blank = pd.DataFrame()
    tables = {"accuracy": blank, "head_scores": blank, "correlation": blank, **given} | changes
    return ReportInputs(**({"study": study, "versions": {}, "command": ""} | tables))


def test_the_question_names_every_group_and_its_lengths():
    said = " ".join(asked(two_groups()))
    assert "Group capitalize_reverse (related): capitalize_reverse (trained to length 8) with capitalize (to 16" in said
    assert "Group copy_control (control): copy (trained to length 8) with reverse (to 16)." in said


def test_the_answer_gives_transfer_at_the_end_with_the_range_over_seeds():
    said = answer(two_groups())[2].replace("\N{NO-BREAK SPACE}", " ")
    assert "(related) is right on 80 % of the prompts of lengths 9 to 16 (mean of 2 seeds, 70 % to 90 %)" in said
    assert "(control) is right on 0.5 % of the prompts of lengths 9 to 16 (mean of 2 seeds, 0 % to 1 %)" in said


def test_undefined_transfer_is_told():
    transfer = two_groups().transfer.assign(accuracy_transfer=np.nan)
    assert "has not been measured at lengths 9 to 16" in answer(two_groups(transfer=transfer))[2]


def test_many_groups_are_told_by_median_and_range():
    study = small_study()
    groups = tuple(study.groups[0].model_copy(update={"name": f"g{place}"}) for place in range(9))
    transfer = pd.DataFrame(
        [(f"g{place}", 0, 1, place / 10) for place in range(9)], columns=["group", "seed", "step", "accuracy_transfer"]
    )
    study = study.model_copy(update={"groups": groups})
    said = answer(two_groups(study=study, transfer=transfer))[2].replace("\N{NO-BREAK SPACE}", " ")
    assert "40 % of the prompts" in said
    assert "in the median of 9 related groups (0 % to 80 %)" in said


def test_seeds_say_what_they_can():
    def said(*seeds):
        return caveats(two_groups(study=small_study(seeds=seeds)))[0]

    assert said(0).startswith("One seed describes, it does not test")
    assert said(0, 1).startswith("Two seeds describe, they do not test")
    assert said(0, 1, 2, 3) == "The unit of replication is the seed, not the checkpoint; there are 4 in each group."


def test_limits_are_always_told():
    said = " ".join(caveats(two_groups()))
    assert "No p-value over checkpoints is printed" in said
    assert "correlational" in said


def test_unusable_checkpoints_and_problems_are_counted():
    said = " ".join(caveats(two_groups(problems=["a", "b"])))
    assert "At 1 of 3 checkpoints no overlap is usable" in said
    assert "2 problems occurred while measuring" in said


def test_attributions_that_do_not_add_up_are_told():
    scores = report_inputs(n_checkpoints=2).head_scores.assign(method="attribution_patching")
    errors = np.where((scores["step"] == scores["step"].max()) & (scores["seed"] == 0), 0.6, 0.4)
    n_maps = len(scores.groupby(["group", "seed", "step", "task", "outcome"]))
    said = " ".join(caveats(report_inputs(n_checkpoints=2, head_scores=scores.assign(completeness_error=errors))))
    n_large = len(scores[errors > 0.5].groupby(["group", "step", "task", "outcome"]))
    assert 0 < n_large < n_maps
    assert f"{n_large} of {n_maps} maps by attribution patching do not add up" in said
    assert "do not add up" not in " ".join(caveats(report_inputs(n_checkpoints=2)))


def test_wording_by_hand():
    assert [percent(value) for value in (0, 0.004, 0.5, 1)] == [
        f"{n}\N{NO-BREAK SPACE}%" for n in ("0", "0.4", "50", "100")
    ]
    assert [signed(value) for value in (-0.5, 0.25)] == ["−0.50", "0.25"]
    assert [listed(["a", "b", "c"][:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert [counted(1, "run"), counted(2, "run")] == ["1 run", "2 runs"]
