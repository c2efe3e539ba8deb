"""What difference an arm makes: pairs of groups that differ in one thing, seed by seed, and what a report says of them.

Covers `tables/arms.py`, `figures/arms.py` and `report/arms.py`.
"""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from invented import report_inputs, small_study
from test_answer import JARGON

from headreuse.figures import arms_by_seed
from headreuse.report.answer import answer
from headreuse.report.arms import arm_name, arms, cause, evidence_of_cause
from headreuse.study import parse_study
from headreuse.tables.arms import arms as arms_table
from headreuse.tables.arms import comparable
from headreuse.tables.base import Design
from headreuse.tables.differences import compare_twins

ENTRY = {
    "name": "strings",
    "main": {"task": "capitalize_reverse", "max_length": 4},
    "auxiliary": [{"task": "capitalize", "max_length": 8}, {"task": "reverse", "max_length": 8}],
    "arms": ["joint", "alone"],
    "heads": ["shared", "half", "disjoint"],
}
SHARED, DISJOINT = [0.25, 0.78, 0.45, 0.89, 0.33, 0.26], [0.32, 0.0, 0.0, 0.38, 0.04, 0.0]
VALUES = {
    "strings-shared": SHARED,
    "strings-half": [0.3] * 6,
    "strings-disjoint": DISJOINT,
    "strings-alone-masked": [0.1] * 6,
}


@pytest.fixture(scope="module")
def study():
    return parse_study({"name": "s", "seeds": list(range(6)), "groups": [ENTRY]}, "file")


@pytest.fixture(scope="module")
def transfer():
    rows = [
        {"group": group, "seed": seed, "step": step, "accuracy_transfer": value * (step == 20), "gap": 0.5 - value / 2}
        for group, values in VALUES.items()
        for seed, value in enumerate(values)
        for step in (10, 20)
    ]
    return pd.DataFrame(rows).assign(accuracy_in_distribution=1.0)


@pytest.fixture(scope="module")
def table(study, transfer):
    return arms_table({"transfer": transfer}, Design(study.groups, study.question))


def test_groups_that_differ_in_one_thing_are_compared(study):
    found = {(a.name, b.name): differs for a, b, differs in comparable(study.groups)}
    assert found == {
        ("strings-shared", "strings-half"): "heads",
        ("strings-shared", "strings-disjoint"): "heads",
        ("strings-half", "strings-disjoint"): "heads",
        # Main has the same half of the heads in all of them.
        ("strings-shared", "strings-alone-masked"): "tasks",
        ("strings-half", "strings-alone-masked"): "tasks",
        ("strings-disjoint", "strings-alone-masked"): "tasks",
    }


def test_twins_are_compared_seed_by_seed_at_their_last_step_and_others_as_separate_seeds(table):
    rows = table[table["measure"] == "accuracy_transfer"].set_index(["group_a", "group_b"])
    twins, alone = (
        rows.loc[("strings-shared", "strings-disjoint")],
        rows.loc[("strings-shared", "strings-alone-masked")],
    )
    differences = np.subtract(SHARED, DISJOINT)
    assert twins["difference"] == pytest.approx(np.median(differences))
    assert (twins["ci_low"], twins["ci_high"]) == pytest.approx((differences.min(), differences.max()))
    assert bool(twins["is_paired"])
    assert not bool(alone["is_paired"])
    assert alone["difference"] == pytest.approx(np.median(np.subtract.outer(SHARED, [0.1] * 6)))
    assert alone["p"] == pytest.approx(2 / 924), "every one of 6 seeds above each of 6: 2 of (12 choose 6)"


def test_the_p_of_twins_is_that_of_every_choice_of_signs():
    differences = np.subtract(SHARED, DISJOINT)
    means = [abs(np.mean(differences * signs)) for signs in product([1, -1], repeat=6)]
    expected = np.mean(np.array(means) >= abs(differences.mean()) - 1e-12)
    found = compare_twins(pd.Series(SHARED), pd.Series(DISJOINT))
    assert found.p == pytest.approx(expected)
    assert found.smallest_p == 2 / 64
    assert compare_twins(pd.Series(DISJOINT), pd.Series(SHARED)).p == pytest.approx(expected)


def test_a_test_of_twins_rejects_no_oftener_than_it_says():
    generator, n_studies = np.random.default_rng(0), 300
    heaps = np.where(generator.random((n_studies, 2, 8)) < 0.3, 0.9, 0.1) + generator.normal(0, 0.02, (n_studies, 2, 8))
    rejected = [compare_twins(pd.Series(a), pd.Series(b)).p <= 0.05 for a, b in heaps]
    assert 0.01 <= np.mean(rejected) <= 0.08


def test_no_groups_no_rows(study, transfer):
    assert not len(arms_table({"transfer": transfer.iloc[:0]}, Design(study.groups, study.question)))
    only_one = transfer[transfer["group"] == "strings-half"]
    assert not len(arms_table({"transfer": only_one}, Design(study.groups, study.question)))


def test_arms_have_names_in_words(study):
    assert [arm_name(group) for group in study.groups] == [
        "the same heads",
        "50\u00a0% the same heads",
        "different heads",
        "alone",
    ]


def test_the_answer_begins_with_what_setting_the_heads_did(study, transfer, table):
    (line,) = cause(inputs := report_inputs(study, n_checkpoints=2, arms=table, transfer=transfer))
    assert answer(inputs)[0] == line
    assert line.startswith("Sharing was set, and what it does cannot be told from chance: capitalize_reverse with")
    assert "right on 39\u00a0% of the prompts of lengths 5 to 8 where the tasks were given the same heads" in line
    assert "2\u00a0% where they were given different ones" in line
    assert not JARGON.search(line.replace("capitalize_reverse", ""))
    (test,) = evidence_of_cause(inputs)
    assert "a difference of 37\u00a0%" in test
    assert "p 0.062, at least 0.031" in test


@pytest.mark.parametrize(
    ("shared", "disjoint", "words"),
    [
        ([0.9, 0.8, 0.7, 0.9, 0.8, 0.9], [0.1] * 6, "Sharing heads makes the difference:"),
        ([0.1] * 6, [0.9, 0.8, 0.7, 0.9, 0.8, 0.9], "Sharing heads is in the way:"),
        ([0.9, 0.9], [0.1, 0.1], "Sharing was set, and the seeds are too few to test what it does:"),
    ],
)
def test_the_verdict_goes_by_p_and_its_direction(study, transfer, shared, disjoint, words):
    values = {"strings-shared": shared, "strings-disjoint": disjoint}
    rows = [
        {"group": name, "seed": s, "step": 20, "accuracy_transfer": v}
        for name, of in values.items()
        for s, v in enumerate(of)
    ]
    changed = pd.DataFrame(rows).assign(gap=0.1, accuracy_in_distribution=0.5)
    made = arms_table({"transfer": changed}, Design(study.groups, study.question))
    (line,) = cause(report_inputs(study, n_checkpoints=2, arms=made, transfer=changed))
    assert line.startswith(words)
    assert line.endswith("On its own lengths it is right on 50\u00a0% to 50\u00a0%, so that not all is learned.")


def test_the_figure_joins_twins_alone(study, transfer, table):
    (exhibit,) = arms(report_inputs(study, n_checkpoints=2, arms=table, transfer=transfer))
    seeds = [trace for trace in exhibit.figure.data if str(trace.name).startswith("seed")]
    assert {trace.mode for trace in seeds} == {"lines+markers", "markers"}
    joined = next(trace for trace in seeds if trace.mode == "lines+markers" and trace.name == "seed 1")
    assert list(joined.x) == ["alone", "different heads", "50\u00a0% the same heads", "the same heads"]
    assert list(joined.y) == [None, 0.0, 0.3, 0.78]
    medians = next(trace for trace in exhibit.figure.data if trace.name == "median over seeds" and trace.x[0])
    assert list(medians.y) == pytest.approx([0.1, 0.02, 0.3, 0.39])
    parts = ["10 % (alone)", "2 % (different heads)", "30 % (50 % the same heads)", "39 % (the same heads)"]
    told = exhibit.shows.replace("\N{NO-BREAK SPACE}", " ")
    assert told == f"Main is right on {', '.join(parts[:3])} and {parts[3]}"


def test_arms_that_words_do_not_tell_apart_have_the_names_of_their_groups():
    alike = {"main": ENTRY["main"], "auxiliary": ENTRY["auxiliary"], "twins": "strings"}
    groups = [alike | {"name": "narrow", "model": {"d_mlp": 64}}, alike | {"name": "wide", "model": {"d_mlp": 128}}]
    both = parse_study({"name": "s", "seeds": [0, 1], "groups": groups}, "file")
    rows = [{"group": name, "seed": seed, "step": 1} for name in ("narrow", "wide") for seed in (0, 1)]
    transfer = pd.DataFrame(rows).assign(accuracy_transfer=0.5, gap=0.1, accuracy_in_distribution=1.0)
    compared = arms_table({"transfer": transfer}, Design(both.groups, both.question))
    (exhibit,) = arms(report_inputs(both, arms=compared, transfer=transfer))
    words = "with capitalize and reverse"
    assert set(exhibit.figure.data[-1].x) == {f"{words} · narrow", f"{words} · wide"}


def test_names_in_the_figure_are_text():
    values = pd.DataFrame({"family": "<b>", "arm": ["<i>", "b"], "seed": 0, "value": [0.1, 0.2], "is_twin": True})
    figure = arms_by_seed(values)
    assert [entry.text for entry in figure.layout.annotations] == ["&lt;b&gt;"]
    assert {place for trace in figure.data for place in trace.x if place} == {"&lt;i&gt;", "b"}
    assert list(figure.layout.xaxis.categoryarray) == ["&lt;i&gt;", "b"]


def test_groups_that_differ_in_two_things_are_not_compared():
    several = parse_study({"name": "s", "groups": [ENTRY | {"arms": ["joint", "each"]}]}, "file")
    pairs = {(a.name, b.name) for a, b, _ in comparable(several.groups)}
    assert ("strings-shared", "strings-reverse-shared") in pairs
    assert ("strings-shared", "strings-reverse-disjoint") not in pairs


def test_a_study_without_arms_has_no_such_section():
    assert not list(arms(report_inputs(small_study())))
