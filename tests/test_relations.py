"""Which published relations hold: planted results for each verdict, and the statistics against worked arithmetic."""

import math
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

from analyses.measured_arms import arm_of, read_arms
from analyses.relations import Claim, as_markdown, relations
from analyses.seeds import Estimate, compare_seeds, seeds_against
from headreuse.errors import HeadreuseError
from headreuse.store.folder import RunFolder
from headreuse.study import parse_study
from headreuse.tables.transfer import transfer_table

LOW, MIDDLE = [0.0, 0.02, 0.01], [0.4, 0.45, 0.42]
HIGH = [0.98, 1.0, 0.97]
GAPS = "rotary position has the smaller gap"


def make_study(*groups, **changes):
    return parse_study({"name": "planted", "seeds": [0, 1, 2], "groups": list(groups)} | changes, "planted")


def make_group(name, *auxiliary, main="capitalize_reverse", main_to=4, **changes):
    given = {"name": name, "main": {"task": main, "max_length": main_to}}
    given["auxiliary"] = [{"task": task, "max_length": 8} for task in auxiliary]
    return given | ({} if auxiliary else {"transfer_to": 8}) | changes


def make_tables(study, far, *, beyond=0.0, last=True):
    """Main is right on all of its training lengths and on `far[group][seed]` of longer ones; the auxiliaries on all."""
    rows = [
        (group.name, seed, group.training.steps // (1 if last else 2), task, length, 128, value)
        for group in study.groups
        for seed, reached in enumerate(far[group.name])
        for task in group.task_names
        for length in study.eval_lengths(group, task)
        for value in [
            1.0
            if length <= group.main.max_length or (task != group.main.task and length <= 8)
            else (reached if length <= 8 else beyond)
        ]
    ]
    accuracy = pd.DataFrame(rows, columns=["group", "seed", "step", "task", "length", "n", "accuracy"])
    return {"accuracy": accuracy, "transfer": transfer_table(accuracy, study.groups)}


def make_arms(far, *groups, label="runs", beyond=0.0, **changes):
    study = make_study(*groups, **changes)
    tables = make_tables(study, far, beyond=beyond)
    return [arm_of(label, study, group, tables) for group in study.groups]


def verdicts(table):
    return {(row.relation, row.group_a, row.group_b): row.verdict for row in table.itertuples()}


def only(table, relation):
    (row,) = table[table["relation"] == relation].to_dict("records")
    return row


def all_arms(joint, no_extra, control):
    """Every kind of arm: both auxiliaries, each, none, and a control."""
    groups = [
        make_group("both", "capitalize", "reverse"),
        make_group("first", "capitalize"),
        make_group("second", "reverse"),
        make_group("none"),
        make_group("other", "mqar", kind="control"),
    ]
    far = {"both": joint, "first": LOW, "second": MIDDLE, "none": no_extra, "other": control}
    return make_arms(far, *groups)


def test_every_relation_holds_where_it_was_planted():
    table, left_out = relations(all_arms(HIGH, LOW, LOW))
    assert not left_out
    assert verdicts(table) == {
        ("joint beats alone", "runs/both", "runs/none"): "held",
        ("control is like alone", "runs/other", "runs/none"): "held",
        ("all auxiliaries beat fewer", "runs/both", "runs/first"): "held",
        ("all auxiliaries beat fewer", "runs/both", "runs/second"): "held",
        ("one auxiliary beats the other", "runs/second", "runs/first"): "held",
        ("joint reaches about the auxiliary's length", "runs/both", ""): "held",
        ("joint falls beyond the auxiliary's length", "runs/both", ""): "held",
        ("alone is near 0 beyond its own lengths", "runs/none", ""): "held",
    }


def test_no_relation_holds_where_the_opposite_was_planted():
    table, _ = relations(all_arms(LOW, MIDDLE, HIGH))
    found = verdicts(table)
    assert found.pop(("one auxiliary beats the other", "runs/second", "runs/first")) == "held"
    assert set(found.values()) == {"not held"}


def test_seeds_that_disagree_settle_nothing():
    table, _ = relations(all_arms([1.0, 0.0, 0.9], LOW, [0.0, 0.9, 0.0]))
    found = {relation: verdict for (relation, _, b), verdict in verdicts(table).items() if b != "runs/first"}
    assert found["joint beats alone"] == found["control is like alone"] == "not settled"
    assert found["joint reaches about the auxiliary's length"] == "not settled"


def test_a_wide_interval_is_never_called_likeness():
    table, _ = relations(all_arms(HIGH, LOW, [0.0, 0.3, 0.0]))
    row = only(table, "control is like alone")
    assert (row["seen"], row["verdict"]) == ("no difference seen", "not settled")
    assert row["ci_high"] > 0.1


def test_the_numbers_of_a_row_by_hand():
    row = only(relations(all_arms(HIGH, LOW, LOW))[0], "joint beats alone")
    # Variances 7/30000 and 1/10000 over 3 seeds each: standard error 1/300·√10, Welch's degrees of freedom 3.448.
    variances = np.array([0.0007 / 3, 0.0001])
    error = math.sqrt(variances.sum() / 3)
    freedom = variances.sum() ** 2 / (variances**2 / 2).sum()
    assert (row["value_a"], row["value_b"]) == pytest.approx((2.95 / 3, 0.01))
    assert row["difference"] == pytest.approx(2.92 / 3)
    assert freedom == pytest.approx(3.4483, abs=1e-4)
    quantile = 2.96040  # of Student's t with that freedom, at 97.5 %: between the tabled 3.182 (3) and 2.776 (4)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(
        (2.92 / 3 - quantile * error, 2.92 / 3 + quantile * error), abs=1e-5
    )
    assert (row["p"], row["smallest_p"]) == (pytest.approx(2 / 20), pytest.approx(2 / 20))
    assert (row["n_seeds_a"], row["n_seeds_b"]) == (3, 3)


def test_paired_seeds_by_hand():
    a, b = pd.Series([0.5, 0.7, 0.9]), pd.Series([0.4, 0.5, 0.6])
    found = compare_seeds(a, b, paired=True)
    # Differences .1 .2 .3: mean .2, standard deviation .1, t(2) at 97.5 % is 4.302653.
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert (found.difference, found.ci_low, found.ci_high) == pytest.approx((0.2, 0.2 - half, 0.2 + half))
    assert (found.p, found.smallest_p) == (pytest.approx(0.25), 0.25)


@pytest.mark.parametrize("n", [3, 4])
def test_p_is_the_share_of_all_relabellings_at_least_as_far(n):
    generator = np.random.default_rng(n)
    a, b = generator.normal(0.5, 1, n), generator.normal(0, 1, n + 1)
    both = np.concatenate([a, b])
    apart = [both[list(chosen)].mean() - np.delete(both, chosen).mean() for chosen in combinations(range(2 * n + 1), n)]
    at_least = np.mean([d >= apart[0] - 1e-12 for d in apart]), np.mean([d <= apart[0] + 1e-12 for d in apart])
    assert compare_seeds(pd.Series(a), pd.Series(b), paired=False).p == pytest.approx(min(1, 2 * min(at_least)))
    differences = a - b[:n]
    flipped = [np.mean(differences * signs) for signs in product([1, -1], repeat=n)]
    at_least = np.mean([d >= flipped[0] - 1e-12 for d in flipped]), np.mean([d <= flipped[0] + 1e-12 for d in flipped])
    assert compare_seeds(pd.Series(a), pd.Series(b[:n]), paired=True).p == pytest.approx(min(1, 2 * min(at_least)))


def test_one_seed_has_no_interval_and_settles_nothing():
    found = compare_seeds(pd.Series([1.0]), pd.Series([0.0, 0.1]), paired=False)
    assert (found.difference, found.seen) == (pytest.approx(0.95), "no interval from one seed")
    assert Claim("", "", "above").verdict(found) == "not settled"
    assert np.isnan(seeds_against(pd.Series([1.0]), 0.0).ci_low)


def test_seeds_all_alike_are_said_to_be():
    row = only(relations(all_arms([1.0] * 3, [0.0] * 3, LOW))[0], "joint beats alone")
    assert (row["difference"], row["ci_low"], row["ci_high"], row["verdict"]) == (1.0, 1.0, 1.0, "held")
    assert "no width" in row["note"]


@pytest.mark.parametrize(
    ("expected", "interval", "verdict"),
    [
        ("above", (0.01, 0.05), "held"),
        ("above", (-0.05, 0.09), "not held"),
        ("above", (-0.05, 0.11), "not settled"),
        ("below", (-0.2, -0.01), "held"),
        ("below", (-0.09, 0.3), "not held"),
        ("below", (-0.11, 0.3), "not settled"),
        ("alike", (-0.09, 0.09), "held"),
        ("alike", (0.01, 0.09), "held"),
        ("alike", (0.01, 0.2), "not held"),
        ("alike", (-0.01, 0.2), "not settled"),
        ("about", (0.01, 0.2), "not settled"),
        ("about", (-0.3, -0.11), "not held"),
    ],
)
def test_verdict_follows_from_the_interval(expected, interval, verdict):
    assert Claim("", "", expected).verdict(Estimate(sum(interval) / 2, *interval)) == verdict


def test_rotary_twins_are_paired_by_seed_and_the_smaller_gap_is_below():
    twins = [make_group(f"twin-{p}", "reverse", model={"position": p}) for p in ("nope", "rope")]
    arms = make_arms({"twin-rope": [0.9, 0.8, 0.7], "twin-nope": [0.5, 0.4, 0.3]}, *twins)
    row = only(relations(arms)[0], "rotary position has the smaller gap")
    assert (row["group_a"], row["group_b"], row["verdict"]) == ("runs/twin-rope", "runs/twin-nope", "held")
    # Half the lengths to 8 lie beyond 4, so that each gap is half of what is missing there.
    assert (row["value_a"], row["value_b"], row["difference"]) == pytest.approx((0.1, 0.3, -0.2))
    assert row["note"].startswith("paired by seed: same initial weights")
    assert only(relations([arms[1], arms[0]])[0], "rotary position has the smaller gap") == row


def test_arms_of_other_numbers_of_tasks_are_not_paired():
    table, _ = relations(all_arms(HIGH, LOW, LOW))
    paired = {row.relation: row.note.startswith("paired") for row in table.itertuples() if row.group_b}
    assert paired.pop("one auxiliary beats the other"), "one marker each: same vocabulary, same weights"
    assert not any(paired.values())


def test_other_settings_are_named_and_not_compared_unless_allowed():
    control = make_group("other", "reverse", main="copy", kind="control", training={"learning_rate": 2e-3})
    arms = make_arms({"other": LOW, "none": LOW}, control, make_group("none", main="copy"))
    table, left_out = relations(arms)
    assert "control is like alone" not in set(table["relation"])
    assert left_out == ["control is like alone: runs/other with runs/none (training.learning_rate 0.002 / 0.001)"]
    assert left_out[0] in as_markdown(table, left_out)
    table, left_out = relations(arms, despite=["training.learning_rate"])
    assert not left_out
    assert "training.learning_rate 0.002 / 0.001" in only(table, "control is like alone")["note"]


def test_a_partner_of_the_same_settings_comes_before_one_that_is_allowed():
    control = make_group("other", "reverse", main="copy", kind="control")
    slow = make_group("slow", main="copy", training={"learning_rate": 2e-3})
    arms = make_arms({"other": LOW, "slow": HIGH, "none": LOW}, control, slow, make_group("none", main="copy"))
    row = only(relations(arms, despite=["training.learning_rate"])[0], "control is like alone")
    assert row["group_b"] == "runs/none"


@pytest.mark.parametrize(
    "changes",
    [{"main_to": 3}, {"transfer_to": 9}, {"model": {"position": "nope"}}],
)
def test_arms_of_other_lengths_or_position_are_no_partners(changes):
    arms = make_arms({"both": HIGH, "none": LOW}, make_group("both", "reverse"), make_group("none", **changes))
    table, left_out = relations(arms)
    assert not left_out
    assert "joint beats alone" not in set(table["relation"])


def test_arms_meet_across_folders_and_a_seed_in_two_folders_counts_once(tmp_path):
    joint, none = make_group("both", "reverse"), make_group("none")
    write_folder(tmp_path / "one", make_study(joint), {"both": [1.0, 0.9]})
    write_folder(tmp_path / "two", make_study(none, make_group("again", "reverse")), {"none": LOW, "again": [0.5] * 3})
    arms = read_arms([tmp_path / "one", tmp_path / "two"])
    row = only(relations(arms)[0], "joint beats alone")
    assert (row["group_a"], row["group_b"], row["n_seeds_a"]) == ("one/both", "two/none", 3)
    assert row["value_a"] == pytest.approx((1.0 + 0.9 + 0.5) / 3)


def write_folder(root, study, far):
    """A run folder whose tables are up to date."""
    folder = RunFolder.create(root, study, command="")
    for name, table in make_tables(study, far).items():
        folder.write_table(name, table, "")


@pytest.fixture(autouse=True)
def tables_as_written(monkeypatch):
    monkeypatch.setattr(
        "analyses.measured_arms.make_tables",
        lambda folder: {name: folder.read_table(name) for name in ("accuracy", "transfer")},
    )


def test_two_folders_of_one_name_are_refused(tmp_path):
    with pytest.raises(HeadreuseError, match="two folders of one name"):
        read_arms([tmp_path / "a" / "runs", tmp_path / "b" / "runs"])


def test_runs_that_are_not_at_their_last_step_are_left_out():
    study = make_study(make_group("both", "reverse"), make_group("none"))
    tables = make_tables(study, {"both": HIGH, "none": LOW}, last=False)
    table, _ = relations([arm_of("runs", study, group, tables) for group in study.groups])
    assert len(table) == 0
    assert "relation" in as_markdown(table, [])


def test_reach_counts_from_mains_own_length_to_the_auxiliarys():
    groups = make_group("both", "reverse")
    far = {name: make_arms({"both": [value]}, groups, beyond=end)[0].measured["reach"].item()
           for name, value, end in [("none", 0.0, 0.0), ("all", 0.5, 0.0), ("past", 1.0, 1.0)]}  # fmt: skip
    # To 4 of 4…8; to 8; and to 12, as far as is evaluated.
    assert far == {"none": 0.0, "all": 1.0, "past": 2.0}


def test_nothing_is_claimed_of_the_auxiliarys_length_where_the_transfer_range_goes_on_beyond_it():
    table, _ = relations(make_arms({"both": HIGH}, make_group("both", "reverse", transfer_to=10)))
    assert not len(table)


def test_more_auxiliaries_of_another_length_are_not_more():
    other = make_group("first", "capitalize")
    other["auxiliary"] = [{"task": "capitalize", "max_length": 7}]
    other["transfer_to"] = 8
    arms = make_arms({"both": HIGH, "first": LOW}, make_group("both", "capitalize", "reverse"), other)
    assert "all auxiliaries beat fewer" not in set(relations(arms)[0]["relation"])


def test_a_seed_without_a_twin_is_left_out_of_pairs():
    twins = [make_group(f"twin-{p}", "reverse", model={"position": p}) for p in ("rope", "nope")]
    rope, nope = make_arms({"twin-rope": [0.9, 0.8, 0.7], "twin-nope": [0.5, 0.4, 0.3]}, *twins)
    fewer = replace(nope, measured=nope.measured.loc[[0, 2]])
    row = only(relations([rope, fewer])[0], "rotary position has the smaller gap")
    assert (row["n_seeds_a"], row["n_seeds_b"]) == (2, 2)
    assert row["value_a"] == pytest.approx(0.1)


def test_a_gap_counts_only_where_main_is_learned():
    """Two tasks that both fail have no gap, which is no transfer."""
    group = make_group("g", "reverse", positions=["rope", "nope"])
    study = make_study(group)
    tables = make_tables(study, {"g-rope": [0.5, 0.6, 0.5], "g-nope": [0.0, 0.0, 0.0]})
    dead = (tables["accuracy"]["group"] == "g-nope") & (tables["accuracy"]["seed"] < 2)
    tables["accuracy"].loc[dead, "accuracy"] = 0.0
    tables["transfer"] = transfer_table(tables["accuracy"], study.groups)
    assert set(tables["transfer"].query("group == 'g-nope' and seed < 2")["gap"]) == {0.0}
    row = only(relations([arm_of("runs", study, each, tables) for each in study.groups])[0], GAPS)
    assert (row["n_seeds_a"], row["n_seeds_b"], row["value_b"]) == (3, 1, pytest.approx(0.5))
    assert "runs/g-nope: main is not learned on its own lengths in seeds 0, 1" in row["note"]


def test_where_an_arm_learned_nothing_its_gap_is_not_compared():
    study = make_study(make_group("g", "reverse", positions=["rope", "nope"]))
    tables = make_tables(study, {"g-rope": [0.5, 0.6, 0.5], "g-nope": [0.0, 0.0, 0.0]})
    tables["accuracy"].loc[tables["accuracy"]["group"] == "g-nope", "accuracy"] = 0.0
    tables["transfer"] = transfer_table(tables["accuracy"], study.groups)
    table, _ = relations([arm_of("runs", study, each, tables) for each in study.groups])
    row = only(table, GAPS)
    assert (row["verdict"], row["seen"], row["n_seeds_b"]) == ("not settled", "nothing to compare", 0)
    line = next(line for line in as_markdown(table, []).splitlines() if line.startswith(f"| {GAPS}"))
    assert "| none | none |" in line
