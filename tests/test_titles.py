"""A figure's title says what the tables say, and nothing where they say nothing.

Covers `report/titles.py` and what it takes from `report/pairs.py`.
"""

from dataclasses import replace
from statistics import mean, median

import pytest
from invented import report_inputs, small_study

from headreuse.figures import Beside, gap_of
from headreuse.figures.views import choices_of
from headreuse.report import render, titles
from headreuse.report.heads import sharing
from headreuse.report.training import correlation, trajectories
from headreuse.report.wording import percent, signed


@pytest.fixture(scope="module")
def inputs():
    return report_inputs(small_study(), n_checkpoints=6)


def last_rows(table, group):
    """The rows of each run's last step, one by one."""
    rows = [row for row in table.to_dict("records") if row["group"] == group.name]
    ends = {seed: max(row["step"] for row in rows if row["seed"] == seed) for seed in {row["seed"] for row in rows}}
    return [row for row in rows if row["step"] == ends[row["seed"]]]


def overlaps(inputs, group):
    """By run and step, the asked overlap of main with each auxiliary, where all are usable."""
    asked, found = inputs.study.question, {}
    for row in inputs.overlap.to_dict("records"):
        is_asked = all(getattr(asked, name) in (None, row[name]) for name in ("method", "outcome"))
        is_pair = row["task_a"] == group.main.task and row["task_b"] != group.main.task
        if row["group"] == group.name and row["metric"] == asked.overlap and is_asked and is_pair:
            found.setdefault((row["seed"], row["step"]), []).append(row)
    return {
        key: mean(row["value"] for row in rows) for key, rows in found.items() if all(row["usable"] for row in rows)
    }


def test_how_far_main_reaches(inputs):
    for group in inputs.study.groups:
        right = mean(row["accuracy_transfer"] for row in last_rows(inputs.transfer, group))
        lengths = f"{group.main.max_length + 1} to {group.transfer_to}"
        expected = f"{group.main.task} is right on {percent(right)} of the prompts of lengths {lengths}"
        assert titles.reach(inputs, group) == expected
        assert f"{percent(right)} in {group.name}" in titles.reaches(inputs)
        assert f"{percent(right)} in the transfer range" in titles.kept(inputs, group)


def test_how_alike_the_heads_are_at_the_end_and_on_the_way(inputs):
    group = inputs.study.groups[0]
    usable = overlaps(inputs, group)
    steps = {seed: sorted(step for of, step in usable if of == seed) for seed, _ in usable}
    first, last = (median(usable[seed, found[end]] for seed, found in steps.items()) for end in (0, -1))
    assert f"of {signed(last)}, the median of {len(steps)} seeds" in titles.alike(inputs, group)
    gaps = {(row["seed"], row["step"]): row["gap"] for row in inputs.of_group("transfer", group).to_dict("records")}
    before, after = (median(gaps[seed, found[end]] for seed, found in steps.items()) for end in (0, -1))
    assert titles.changes(inputs, group, gap_of(inputs.of_group("transfer", group))) == (
        f"From the first usable checkpoint to the last, overlap goes from {signed(first)} to {signed(last)} and the "
        f"generalization gap from {signed(before)} to {signed(after)}"
    )


def test_what_has_several_lines_beside_the_overlap_is_not_told(inputs):
    group = inputs.study.groups[0]
    several = Beside("accuracy", inputs.of_group("transfer", group)[["seed", "step", "gap", "transfer_fraction"]])
    assert "accuracy" not in titles.changes(inputs, group, several)


def test_how_many_heads_main_shares_with_each_auxiliary(inputs):
    group, k = inputs.study.groups[0], inputs.study.measures.top_k
    end = {key[0]: key[1] for key in sorted(overlaps(inputs, group))}
    method, outcome = inputs.study.headline_method, inputs.study.question.outcome
    effects = {}
    for row in inputs.head_scores.to_dict("records"):
        here = (row["group"], row["method"], row["outcome"]) == (group.name, method, outcome)
        if here and row["step"] == end.get(row["seed"]):
            effects.setdefault((row["seed"], row["task"]), {})[row["layer"], row["head"]] = row["effect"]
    top = {key: set(sorted(found, key=found.get, reverse=True)[:k]) for key, found in effects.items()}
    shared = [
        f"{median(len(top[seed, group.main.task] & top[seed, entry.task]) for seed in end):g} with {entry.task}"
        for entry in group.auxiliary
    ]
    assert titles.top_heads(inputs, group) == f"Of its {k} top heads {group.main.task} shares {' and '.join(shared)}"


def test_nothing_is_said_of_what_is_not_usable(inputs):
    group = inputs.study.groups[0]
    blank = report_inputs(small_study(), n_checkpoints=6)
    blank.overlap["usable"] = False
    beside = gap_of(inputs.of_group("transfer", group))
    assert [titles.alike(blank, group), titles.top_heads(blank, group)] == ["", ""]
    assert titles.changes(blank, group, beside) == ""
    assert titles.relation(inputs)[0].isupper()


def test_the_page_has_what_is_found_as_titles():
    inputs = report_inputs(small_study(seeds=(0,)), n_checkpoints=2)
    page = render(inputs)
    for group in inputs.study.groups:
        assert f"<h3>{titles.reach(inputs, group)}</h3>" in page
    assert f"<h3>{titles.reaches(inputs)}</h3>" in page


def test_figures_open_on_the_measure_that_their_titles_tell(inputs):
    asked = inputs.study.question
    for build in (trajectories, correlation, sharing):
        for exhibit in build(inputs):
            start = next(entry.start for entry in choices_of(exhibit.figure) if entry.name == "measure")
            assert start.startswith(f"{asked.overlap} · {asked.outcome}"), exhibit.id


def test_overlap_of_another_outcome_is_not_told(inputs):
    group, asked = inputs.study.groups[0], inputs.study.question
    is_other = inputs.overlap["outcome"] != asked.outcome
    changed = replace(inputs, overlap=inputs.overlap.assign(value=inputs.overlap["value"].mask(is_other, -9.0)))
    assert titles.alike(changed, group) == titles.alike(inputs, group)
