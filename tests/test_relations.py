"""Which published relations hold: planted results for each verdict, and the statistics against worked arithmetic.

Covers `analyses/relations.py`, `analyses/relations_table.py`, `analyses/claims.py`, `tables/differences.py` and
`analyses/measured_arms.py`.
"""

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.claims import Claim
from analyses.measured_arms import arm_of, read_arms
from analyses.relations import relations
from analyses.relations_table import as_markdown
from headreuse.errors import HeadreuseError
from headreuse.store.folder import RunFolder
from headreuse.study import parse_study
from headreuse.tables.differences import (
    Estimate,
    bound_on_seeds,
    compare_seeds,
    rank_of_difference,
    seeds_against,
    u_at_most,
)
from headreuse.tables.transfer import transfer_table

ROOT = Path(__file__).parent.parent
LOW, MIDDLE = [0.0, 0.02, 0.01, 0.03, 0.0, 0.01], [0.4, 0.45, 0.42, 0.41, 0.44, 0.43]
HIGH = [0.98, 1.0, 0.97, 0.99, 1.0, 0.96]
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
    return make_arms(far, *(group | {"twins": "both"} for group in groups))


def test_every_relation_holds_where_it_was_planted():
    table, left_out = relations(all_arms(HIGH, LOW, LOW))
    assert not left_out
    assert verdicts(table) == {
        ("joint beats alone", "runs/both", "runs/none"): "held",
        ("control is like alone", "runs/other", "runs/none"): "held",
        ("all auxiliaries beat fewer", "runs/both", "runs/first"): "held",
        ("all auxiliaries beat fewer", "runs/both", "runs/second"): "held",
        ("one auxiliary beats the other", "runs/second", "runs/first"): "held",
        ("joint reaches about the auxiliary's length", "runs/both", ""): "not settled",
        ("joint falls beyond the auxiliary's length", "runs/both", ""): "held",
        ("alone is near 0 beyond its own lengths", "runs/none", ""): "held",
    }
    # Every seed reaches exactly the auxiliary's length.
    assert (
        "all 6 seeds alike: up to 39 % of seeds could"
        in only(table, "joint reaches about the auxiliary's length")["note"]
    )


def test_no_relation_holds_where_the_opposite_was_planted():
    table, _ = relations(all_arms(LOW, MIDDLE, HIGH))
    found = verdicts(table)
    assert found.pop(("one auxiliary beats the other", "runs/second", "runs/first")) == "held"
    assert found.pop(("joint reaches about the auxiliary's length", "runs/both", "")) == "not settled"
    assert set(found.values()) == {"not held"}


def test_seeds_that_disagree_settle_nothing():
    apart = [1.0, 0.0, 0.9, 0.0, 0.8, 0.0]
    table, _ = relations(all_arms(apart, LOW, apart))
    found = {relation: verdict for (relation, _, b), verdict in verdicts(table).items() if b != "runs/first"}
    assert found["joint beats alone"] == found["control is like alone"] == "not settled"
    assert found["joint reaches about the auxiliary's length"] == "not settled"


def test_a_wide_interval_is_never_called_likeness():
    table, _ = relations(all_arms(HIGH, LOW, [0.0, 0.3, 0.0, 0.3, 0.0, 0.3]))
    row = only(table, "control is like alone")
    assert (row["seen"], row["verdict"]) == ("no difference seen", "not settled")
    assert row["ci_high"] > 0.1


def test_three_seeds_settle_nothing_however_clear_they_are():
    row = only(relations(all_arms(HIGH[:3], LOW[:3], LOW[:3]))[0], "joint beats alone")
    assert (row["p"], row["smallest_p"], row["verdict"]) == (pytest.approx(0.1), pytest.approx(0.1), "not settled")
    assert (row["seen"], row["lowest_a"], row["highest_a"]) == ("too few seeds to see a difference", 0.97, 1.0)
    line = next(line for line in as_markdown(pd.DataFrame([row]), []).splitlines() if "joint beats" in line)
    assert "| 0.980 (0.970 to 1.000) | 0.010 (0.000 to 0.020) | +0.970 no interval | 3, 3 | 0.100 (0.100) |" in line
    line = as_markdown(pd.DataFrame([row | {"p": 0.00049, "smallest_p": 7e-7}]), [])
    assert "| 3, 3 | 0.0005 (7e-07) |" in line


def test_the_numbers_of_a_row_by_hand():
    row = only(
        relations(all_arms([0.5, 0.6, 0.7, 0.8, 0.9], [0.0, 0.01, 0.02, 0.03, 0.65], LOW))[0], "joint beats alone"
    )
    # Of 25 differences 3 are below 0: 0.65 above 0.5 and 0.6, and no more; so 2. P(U ≤ 2) = (1 + 1 + 2) / 252.
    assert (row["median_a"], row["median_b"]) == (0.7, 0.02)
    differences = sorted(a - b for a in [0.5, 0.6, 0.7, 0.8, 0.9] for b in [0.0, 0.01, 0.02, 0.03, 0.65])
    assert sum(one < 0 for one in differences) == 2
    assert row["p"] == pytest.approx(2 * 4 / 252)
    assert row["smallest_p"] == pytest.approx(2 / 252)
    assert row["difference"] == pytest.approx(differences[12])
    # U ≤ 2 and no more has a p of at most 5 %: the interval begins at the third difference.
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((differences[2], differences[-3]))
    assert (row["n_seeds_a"], row["n_seeds_b"]) == (5, 5)


def test_paired_seeds_by_hand():
    a, b = pd.Series([0.5, 0.7, 0.9, 0.2, 0.3, 0.6]), pd.Series([0.4, 0.5, 0.6, 0.6, 0.3, 0.1])
    found = compare_seeds(a, b, paired=True)
    # Differences −0.4, 0, 0.1, 0.2, 0.3, 0.5. Two of six are not above 0: 2 (1 + 6 + 15) / 64 of all signs.
    assert (found.difference, found.ci_low, found.ci_high) == pytest.approx((0.15, -0.4, 0.5))
    assert (found.p, found.smallest_p) == (pytest.approx(44 / 64), 2 / 64)


@pytest.mark.parametrize(("n", "m"), [(3, 4), (5, 5), (6, 8)])
def test_p_and_estimate_of_two_arms_are_scipys(n, m):
    generator = np.random.default_rng(n)
    a, b = generator.normal(0.5, 1, n), generator.normal(0, 1, m)
    found = compare_seeds(pd.Series(a), pd.Series(b), paired=False)
    assert found.p == pytest.approx(stats.mannwhitneyu(a, b, method="exact").pvalue)
    moved = stats.mannwhitneyu(a - found.difference, b, method="exact")
    assert moved.statistic == pytest.approx(n * m / 2, abs=0.5)


def test_the_distribution_of_u_is_that_of_all_relabellings():
    orders = [sum(i - j for j, i in enumerate(chosen)) for chosen in combinations(range(7), 3)]
    assert u_at_most(3, 4) == pytest.approx([np.mean([u <= most for u in orders]) for most in range(13)])


@pytest.mark.parametrize("n", [6, 8, 12])
def test_an_interval_leaves_out_what_its_test_rejects(n):
    generator = np.random.default_rng(n)
    a, b = generator.normal(0.5, 1, n), generator.normal(0, 1, n)
    found = compare_seeds(pd.Series(a), pd.Series(b), paired=False)
    for moved in (found.ci_low - 1e-6, found.ci_high + 1e-6):
        assert stats.mannwhitneyu(a - moved, b, method="exact").pvalue <= 0.05
    # An arm without spread: the ends are seeds of the other arm, as in the interval of its median.
    alone = compare_seeds(pd.Series(a), pd.Series(np.zeros(n)), paired=False)
    against = seeds_against(pd.Series(a), 0.0)
    assert alone.ci_low <= against.ci_low < against.ci_high <= alone.ci_high


def test_arms_of_too_few_seeds_have_no_interval_and_unequal_ones_a_wider():
    assert [rank_of_difference(*each) for each in [(4, 9), (6, 3), (5, 5), (7, 7), (12, 5)]] == [0, 0, 3, 7, 9]


def test_one_seed_has_no_interval_and_settles_nothing():
    found = compare_seeds(pd.Series([1.0]), pd.Series([0.0, 0.1]), paired=False)
    assert (found.difference, found.seen) == (pytest.approx(0.95), "too few seeds to see a difference")
    assert Claim("", "", "above").verdict(found) == "not settled"
    assert np.isnan(seeds_against(pd.Series([1.0]), 0.0).p)


def test_seeds_all_alike_settle_nothing_and_a_bound_is_told():
    row = only(relations(all_arms([1.0] * 6, [0.0] * 6, LOW))[0], "joint beats alone")
    assert (row["difference"], row["verdict"]) == (1.0, "not settled")
    assert "all 6 seeds alike: up to 39 % of seeds could still differ" in row["note"]
    # 3 seeds alike are seen in 5 % of studies where 63 % of seeds differ.
    assert (1 - bound_on_seeds(3)) ** 3 == pytest.approx(0.05)
    assert bound_on_seeds(3) == pytest.approx(0.6316, abs=1e-4)


@pytest.mark.parametrize(
    ("expected", "interval", "verdict"),
    [
        ("above", (0.11, 0.3), "held"),
        ("above", (0.01, 0.3), "not settled"),
        ("above", (0.01, 0.09), "not held"),
        ("above", (-0.3, -0.11), "not held"),
        ("below", (-0.2, -0.11), "held"),
        ("below", (-0.09, 0.3), "not held"),
        ("below", (-0.11, 0.3), "not settled"),
        ("about", (-0.09, 0.09), "held"),
        ("about", (0.01, 0.09), "held"),
        ("about", (0.01, 0.2), "not settled"),
        ("about", (0.11, 0.2), "not held"),
        ("about", (-0.3, -0.11), "not held"),
    ],
)
def test_verdict_follows_from_the_interval_and_the_margin(expected, interval, verdict):
    estimate = Estimate(sum(interval) / 2, *interval, p=0.01, smallest_p=0.01)
    assert Claim("", "", expected).verdict(estimate) == verdict


def test_a_p_above_five_percent_or_that_cannot_be_below_it_is_never_passed_over():
    clear = Estimate(0.5, 0.4, 0.6, p=0.03, smallest_p=0.03)
    for estimate, verdict in [
        (clear, "held"),
        (replace(clear, p=0.06), "not settled"),
        (replace(clear, smallest_p=0.0625), "not settled"),
        (replace(clear, all_alike=True), "not settled"),
    ]:
        assert Claim("", "", "above").verdict(estimate) == verdict


def test_rotary_twins_are_paired_by_seed_and_the_smaller_gap_is_below():
    twins = [make_group(f"twin-{p}", "reverse", model={"position": p}) for p in ("nope", "rope")]
    far = {"twin-rope": [0.9, 0.8, 0.7, 0.9, 0.8, 0.9], "twin-nope": [0.5, 0.4, 0.2, 0.5, 0.3, 0.5]}
    arms = make_arms(far, *(group | {"twins": "twin"} for group in twins))
    row = only(relations(arms)[0], "rotary position has the smaller gap")
    assert (row["group_a"], row["group_b"], row["verdict"]) == ("runs/twin-rope", "runs/twin-nope", "held")
    # Half the lengths to 8 lie beyond 4, so that each gap is half of what is missing there.
    assert (row["median_a"], row["median_b"], row["difference"]) == pytest.approx((0.075, 0.275, -0.2))
    assert row["note"].startswith("paired by seed: same initial weights")
    assert only(relations([arms[1], arms[0]])[0], "rotary position has the smaller gap") == row
    apart = relations(make_arms(far, *twins))[0]
    assert only(apart, "rotary position has the smaller gap")["note"] == "unpaired: other initial weights"


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


def test_arms_with_other_heads_are_other_arms(tmp_path):
    far = {"a-shared": HIGH, "a-disjoint": LOW, "a-joint": MIDDLE}
    masked = make_group("a", "capitalize", heads=["shared", "disjoint"])
    study = make_study(masked, make_group("a-joint", "capitalize"), make_group("alone", heads="shared"))
    write_folder(tmp_path / "runs", study, far | {"alone": LOW})
    arms = read_arms([tmp_path / "runs"])
    assert {arm.name: arm.measured["accuracy_transfer"].tolist() for arm in arms} == {
        f"runs/{name}": pytest.approx(values) for name, values in (far | {"alone": LOW}).items()
    }
    table, left_out = relations(arms)
    rows = table[table["relation"] == "joint beats alone"]
    assert dict(zip(rows["group_a"], rows["group_b"], strict=True)) == {
        "runs/a-shared": "runs/alone",
        "runs/a-disjoint": "runs/alone",
    }, "main has the same heads in these"
    assert [line for line in left_out if "a-joint" in line] == [
        "joint beats alone: runs/a-joint with runs/alone (heads of main all / (0, 1))"
    ]


def test_arms_meet_across_folders_and_a_seed_in_two_folders_counts_once(tmp_path):
    joint, none = make_group("both", "reverse"), make_group("none")
    write_folder(tmp_path / "one", make_study(joint), {"both": [1.0, 0.9]})
    write_folder(
        tmp_path / "two",
        make_study(none, make_group("again", "reverse", twins="both")),
        {"none": LOW, "again": [0.5] * 3},
    )
    arms = read_arms([tmp_path / "one", tmp_path / "two"])
    row = only(relations(arms)[0], "joint beats alone")
    assert (row["group_a"], row["group_b"], row["n_seeds_a"]) == ("one/both", "two/none", 3)
    assert (row["median_a"], row["lowest_a"]) == pytest.approx((0.9, 0.5))


def test_what_was_kept_of_a_study_is_read_like_its_run_folder(tmp_path):
    study = make_study(make_group("both", "reverse"), make_group("none"))
    far = {"both": HIGH, "none": LOW}
    write_folder(tmp_path / "runs", study, far)
    (tmp_path / "kept" / "runs").mkdir(parents=True)
    record = {"study": study.model_dump(mode="json")}
    (tmp_path / "kept" / "runs" / "study.json").write_text(json.dumps(record))
    for name, table in make_tables(study, far).items():
        table.to_csv(tmp_path / "kept" / "runs" / f"{name}.csv", index=False)
    kept, run = read_arms([tmp_path / "kept" / "runs"]), read_arms([tmp_path / "runs"])
    assert [arm.twins for arm in kept] == [arm.twins for arm in run] == ["both", "none"]
    assert relations(kept)[0].equals(relations(run)[0])


def write_folder(root, study, far):
    """A run folder whose tables are up to date."""
    folder = RunFolder.create(root, study, command="")
    folder.tables.write(make_tables(study, far), "")


@pytest.fixture(autouse=True)
def tables_as_written(monkeypatch):
    monkeypatch.setattr(
        "analyses.measured_arms.make_tables",
        lambda folder: folder.tables.read(("accuracy", "transfer"), ""),
    )


def test_a_study_with_tasks_of_its_own_is_refused_in_one_line():
    folder = ROOT / "analyses/results/copy_recall_queries"
    with pytest.raises(HeadreuseError, match=r"copy_recall_queries: it has tasks of its own, .* leave it out$"):
        read_arms([folder])


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
    twins = [make_group(f"twin-{p}", "reverse", twins="twin", model={"position": p}) for p in ("rope", "nope")]
    rope, nope = make_arms({"twin-rope": [0.9, 0.8, 0.7], "twin-nope": [0.5, 0.4, 0.3]}, *twins)
    fewer = replace(nope, measured=nope.measured.loc[[0, 2]])
    row = only(relations([rope, fewer])[0], "rotary position has the smaller gap")
    assert (row["n_seeds_a"], row["n_seeds_b"]) == (2, 2)
    assert row["median_a"] == pytest.approx(0.1)


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
    assert (row["n_seeds_a"], row["n_seeds_b"], row["median_b"]) == (3, 1, pytest.approx(0.5))
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
