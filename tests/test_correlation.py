"""The correlation table: what is offered, over groups too, what answers the study's question, and what is left unsaid.

Covers `correlation/table.py`, `correlation/panels.py`, `correlation/across.py`, `correlation/group_level.py`,
`correlation/primary.py` and `correlation/wording.py`.
"""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from checkpoint_series import group, learned, one, panel, rows_of, series, steps_of, tables, together
from scipy import stats

from headreuse.correlation import (
    STATISTIC_SUMMARIES,
    STATISTICS,
    clock,
    correlation_table,
    crossings,
    mantel,
    panels,
)
from headreuse.correlation.across import CONTRASTED, families
from headreuse.correlation.estimate import estimate
from headreuse.correlation.group_level import over_groups
from headreuse.correlation.paired import own, run_correlations
from headreuse.correlation.primary import marked
from headreuse.correlation.table import COLUMNS
from headreuse.study.primary import Primary
from headreuse.tables.clocks import clocks_table

TESTED = [name for name, statistic in STATISTICS.items() if statistic.is_tested]
WHOLE = ["beyond_progress", "related_minus_control", "between_group"]


def table_of(x: np.ndarray, y: np.ndarray, **settings) -> pd.DataFrame:
    return correlation_table(*tables(x, y, **settings), [group("g")])


def test_a_row_is_the_estimate_of_its_panel():
    x, y = series(6, 12)
    table = table_of(x, y)
    assert tuple(table.columns) == COLUMNS
    for name, statistic in STATISTICS.items():
        row, expected = one(table, statistic=name), estimate(panel(x, y), statistic)
        for column in ("value", "ci_low", "ci_high", "p", "n_runs", "n_points", "note"):
            assert row[column] == pytest.approx(getattr(expected, column), nan_ok=True)
    assert set(table[table["p"].notna()]["statistic"]) == {*TESTED, "beyond_progress"}


def test_the_sign_is_told_as_the_opposite_of_reuse_where_seeds_that_share_more_transfer_less():
    """Raw correlations within runs are negative in both groups, of seeds against each other they are positive."""
    made = []
    for seed in (1, 2):
        x, y = series(6, 14, seed=seed, relation=0.95, trend=0)
        trend = 6 * np.linspace(-1, 1, 14)
        made.append(tables(x + trend, y - trend, name=f"g{seed}"))
    table = correlation_table(*together(*made), [group("g1"), group("g2")])
    for name in ("g1", "g2"):
        assert one(table, group=name, statistic="within_run")["value"] < -0.5
        assert one(table, group=name, statistic="step_adjusted")["value"] > 0.8
    row = one(table, group="all related groups", statistic="beyond_progress")
    assert (row["verdict"], row["direction"], row["n_runs"]) == ("beyond progress", "opposite", 12)
    assert row["value"] > 0.8
    assert row["p"] <= 0.01


def test_simpsons_case_is_negative_within_every_run_and_positive_pooled():
    x, y = series(6, 12, relation=-0.9, trend=0)
    level = 6 * np.arange(6.0)[:, None]
    table = table_of(x + level, y + level)
    assert one(table, statistic="within_run")["value"] < -0.7
    assert one(table, statistic="pooled_spearman")["value"] > 0.9
    assert one(table, statistic="between_run")["value"] > 0.9
    assert one(table, statistic="beyond_progress")["direction"] == "reuse"


def test_one_step_that_counts_in_every_run_is_no_crash():
    x, y = series(4, 9)
    x[[0, 2], 1:5] = np.nan
    x[[1, 3], 5:] = np.nan
    assert np.isfinite(x).all(axis=0).sum() == 1
    table = table_of(x, y)
    assert np.isfinite(one(table, statistic="within_run")["value"])
    assert one(table, statistic="beyond_progress")["verdict"] == "not testable"


def test_nothing_usable_is_told_and_no_crash():
    table = table_of(*series(3, 6), usable=False)
    assert len(table)
    assert table["value"].isna().all()
    assert one(table, statistic="step_adjusted")["note"] == "no run has 4 usable checkpoints (the most is 0)"
    assert set(rows_of(table, statistic="beyond_progress")["verdict"]) == {"not testable"}


def test_runs_may_have_names():
    x, y = series(4, 10)
    named = table_of(x, y, seeds=["finetuned", "a", "step-2000", "b"])
    order = [1, 3, 0, 2]  # by name
    numbered = correlation_table(*tables(x[order], y[order], main=learned(4, 10)[order]), [group("g")])
    pd.testing.assert_frame_equal(named, numbered)
    (found, *_) = panels(*tables(x, y, seeds=["finetuned", "a", "step-2000", "b"]), [group("g")])
    assert found.seeds.tolist() == ["a", "b", "finetuned", "step-2000"]


def test_negative_controls_have_accuracy_or_loss_in_the_place_of_overlap():
    x, y = series(5, 12)
    late = np.linspace(-0.3, 0.3, 5)
    main = learned(5, 12, late)
    overlap, transfer = tables(x, 1 - main, main=main)
    overlap.loc[overlap["step"] <= 300, "usable"] = False
    mains = overlap[["group", "seed", "step"]].assign(task="copy", regime="in_distribution", loss=y.ravel())
    mains = mains.assign(length=8, accuracy=0.5)
    log = pd.concat([mains, mains.assign(regime="beyond", loss=9.0), mains.assign(task="reverse", loss=9.0)])
    table = correlation_table(overlap, transfer, [group("g")], training_log=log)
    rows = rows_of(table, method="negative control", transfer_metric="gap", statistic="within_run")
    assert rows["overlap_metric"].tolist() == ["main_accuracy", "auxiliary_accuracy", "training_loss"]
    assert (rows["n_points"] == 45).all()  # where the overlap counts
    assert rows["value"].iloc[0] == pytest.approx(-0.999)
    found = {entry.overlap_metric: entry for entry in panels(overlap, transfer, [group("g")], log)}
    np.testing.assert_allclose(found["main_accuracy"].overlap, main[:, 3:])
    np.testing.assert_allclose(found["training_loss"].overlap, y[:, 3:])
    without = correlation_table(overlap, transfer, [group("g")])
    assert "training_loss" not in set(without["overlap_metric"])
    assert rows_of(table, method="negative control")["q"].isna().all()


def test_the_clock_reads_the_training_log_where_all_checkpoints_come_after_learning():
    late = np.linspace(-0.03, 0.03, 5)
    main, (x, y) = learned(5, 40, late), series(5, 40)
    overlap, transfer = (table[table["step"] > 3000] for table in tables(x, y, main=main))
    assert clock(crossings(main[:, 30:], steps_of(x)[30:])) is None, "all is learned by then"
    places = pd.DataFrame([(run, 100 * (step + 1), of_run) for (run, step), of_run in np.ndenumerate(main)])
    log = places.set_axis(["seed", "step", "accuracy"], axis=1).assign(group="g", loss=1.0, length=8)
    log = log.assign(task="copy", regime="in_distribution")
    wrong = [{"length": 12}, {"task": "reverse"}, {"regime": "transfer"}, {"group": "other"}]
    log.loc[log["step"] > 3000, "accuracy"] = 0.0  # there the checkpoints' own are read
    noise = [log.assign(accuracy=0.0, **changes) for changes in wrong]
    (found, *_) = panels(overlap, transfer, [group("g")], pd.concat([*noise, log]))
    np.testing.assert_array_equal(found.all_steps, steps_of(x))
    np.testing.assert_allclose(found.main_accuracy, main)
    np.testing.assert_allclose(found.baselines[:, :, 0], main[:, 30:])
    assert one(correlation_table(overlap, transfer, [group("g")], training_log=log), statistic="aligned")["n_runs"] == 5
    (without, *_) = panels(overlap, transfer, [group("g")], pd.concat(noise))
    np.testing.assert_array_equal(without.all_steps, steps_of(x)[30:])
    clocks = clocks_table(overlap, [group("g")], log)
    assert clocks.loc[clocks["role"] == "main", "step"].notna().all()
    assert clocks_table(overlap, [group("g")], pd.concat(noise))["step"].isna().all()


def test_the_clock_reads_checkpoints_that_are_not_usable_too():
    x, y = series(4, 12)
    overlap, transfer = tables(x, y, main=learned(4, 12, [-0.05, 0, 0.05, 0.1]))
    overlap.loc[overlap["step"] <= 500, "usable"] = False
    (found, *_) = panels(overlap, transfer, [group("g")])
    assert found.overlap.shape == (4, 7)
    assert found.all_steps.tolist() == list(range(100, 1300, 100))
    np.testing.assert_allclose(found.main_accuracy, learned(4, 12, [-0.05, 0, 0.05, 0.1]))
    assert np.isfinite(estimate(found, STATISTICS["aligned"]).value)


def test_mantel_is_brute_force_on_five_tasks():
    generator = np.random.default_rng(0)
    a, b = (matrix + matrix.T for matrix in generator.normal(size=(2, 5, 5)))
    upper = np.triu_indices(5, 1)

    def correlation(order):
        return np.corrcoef(a[np.ix_(order, order)][upper], b[upper])[0, 1]

    every = np.array([correlation(list(order)) for order in permutations(range(5))])
    there = every[0]
    expected = 2 * min(np.mean(every >= there - 1e-12), np.mean(every <= there + 1e-12))
    value, p = mantel(a, b)
    assert value == pytest.approx(there)
    assert p == pytest.approx(min(1, expected))


def test_groups_as_units_have_spearmans_correlation():
    generator = np.random.default_rng(3)
    ends = generator.integers(0, 4, size=(2, 5)) / 10  # with ties
    made = together(*(tables(np.full((1, 2), x), np.full((1, 2), y), name=f"g{i}") for i, (x, y) in enumerate(ends.T)))
    row = one(correlation_table(*made, [group(f"g{i}") for i in range(5)]), group="all groups")
    assert row["value"] == pytest.approx(stats.spearmanr(*ends).statistic)


def test_groups_as_units():
    made = [
        tables(np.tile([1 - i / 10, 0.5, i / 10], (2, 1)), np.tile([1 - i / 10], (2, 3)), name=f"g{i}")
        for i in range(6)
    ]
    overlap, transfer = together(*made)
    after = {"step": 400, "usable": False, "value": 0.5}
    overlap = pd.concat([overlap, overlap.drop_duplicates(["group", "seed"]).assign(**after)])
    transfer = pd.concat([transfer, transfer.drop_duplicates(["group", "seed"]).assign(step=400, gap=0.5)])
    later = overlap["group"] == "g5"
    overlap.loc[later & (overlap["step"] == 300) & (overlap["seed"] == 0), "usable"] = False
    groups = [group(f"g{i}") for i in range(6)]
    of_gap = [found for found in panels(overlap, transfer, groups) if found.measure[::3] == ("cosine", "gap")]
    row = over_groups(of_gap)
    assert row.value == pytest.approx(-1.0)
    assert row.p == pytest.approx(2 / 720)
    assert row.n_points == 6
    few = over_groups(of_gap[:4])
    assert np.isnan(few.p)
    assert "no p from 4 groups" in few.note
    assert not len(rows_of(correlation_table(overlap, transfer, groups[:2]), group="all groups"))


def own_correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    pair = STATISTICS[CONTRASTED].pair(panel(x, y))
    return np.tanh(own(run_correlations(pair.overlap, pair.transfer)))


@pytest.mark.parametrize(("n_related", "n_control"), [(5, 4), (6, 6)])
def test_related_and_control_runs_are_contrasted_as_mann_and_whitney_do(n_related, n_control):
    related, control = series(n_related, 12, seed=1, relation=0.8), series(n_control, 12, seed=2, relation=0.0)
    made = together(tables(*related, name="a"), tables(*control, name="b"))
    row = one(correlation_table(*made, [group("a"), group("b", "control")]), group="related − control")
    a, b = own_correlations(*related), own_correlations(*control)
    differences = np.subtract.outer(a, b).ravel()
    assert row["value"] == pytest.approx(np.median(differences))
    assert row["p"] == pytest.approx(stats.mannwhitneyu(a, b, method="exact").pvalue)
    assert row["n_runs"] == n_related + n_control
    # The interval holds exactly the shifts that the test does not reject.
    between = np.sort(differences)
    tried = np.concatenate([[between[0] - 1], (between[1:] + between[:-1]) / 2, [between[-1] + 1]])
    kept = [shift for shift in tried if stats.mannwhitneyu(a - shift, b, method="exact").pvalue > 0.05]
    assert row["ci_low"] < min(kept) < max(kept) < row["ci_high"]
    inside = tried[(tried > row["ci_low"]) & (tried < row["ci_high"])]
    assert len(inside) == len(kept)


def test_few_runs_have_no_interval_of_the_contrast_and_trends_that_differ_are_no_difference():
    made = together(*(tables(*series(3, 12, seed=i), name=name) for i, name in enumerate("ab")))
    row = one(correlation_table(*made, [group("a"), group("b", "control")]), group="related − control")
    assert np.isfinite(row["value"])
    assert np.isnan([row["ci_low"], row["p"]]).all()
    assert row["note"] == "no interval and no p from 3 and 3 runs: p could not be less than 0.1"
    related, control = (series(6, 12, seed=seed, relation=0.0, trend=trend) for seed, trend in ((1, 4.0), (2, 0.0)))
    made = together(tables(*related, name="a"), tables(*control, name="b"))
    table = correlation_table(*made, [group("a"), group("b", "control")])
    assert one(table, group="a", statistic="within_run")["value"] > 0.7
    assert one(table, group="related − control")["p"] > 0.05


def test_twins_are_permuted_together_and_count_once():
    x, y = series(4, 8, relation=0.5, seed=3)
    made = together(tables(x, y, name="a"), tables(x, y, name="b"))
    alike = [entry.model_copy(update={"twins": "family"}) for entry in (group("a"), group("b"))]
    of_twins, apart = (correlation_table(*made, groups) for groups in (alike, [group("a"), group("b")]))
    alone = one(apart, group="a", statistic="step_adjusted")["p"]
    assert one(of_twins, group="all related groups", statistic="step_adjusted")["p"] == pytest.approx(alone)
    assert one(apart, group="all related groups", statistic="step_adjusted")["p"] < alone


def test_twins_have_the_seeds_that_all_of_them_have():
    first, second = panel(*series(5, 8), name="a"), panel(*series(4, 8, seed=1), name="b")
    (family,) = families([first, second.of_runs(np.array([1, 2, 3]))], {"a": "f", "b": "f"})
    assert [one.seeds.tolist() for one in family] == [[1, 2, 3]] * 2
    assert len(families([first, second], {"a": "a", "b": "b"})) == 2
    assert families([first.of_runs(np.array([0]))], {"a": "a"}) == []


def test_q_is_over_all_verdicts_that_are_not_primary_and_nothing_else():
    x, y = series(5, 12)
    made = [
        tables(x + 0.1 * i * series(5, 12, seed=i)[0], y, metric=f"absolute_{m}")
        for i, m in enumerate(["cosine", "kendall"])
    ]
    overlap = pd.concat([frames[0] for frames in made])
    control = tables(*series(5, 12, seed=9), name="c")
    overlap, transfer = pd.concat([overlap, control[0]]), pd.concat([made[0][1], control[1]])
    question = Primary(overlap="absolute_cosine", method="mean_ablation", outcome="log_prob")
    table = correlation_table(overlap, transfer, [group("g"), group("c", "control")], primary=question)
    (primary,) = np.flatnonzero(table["primary"])
    row = table.loc[primary]
    assert (row["group"], row["statistic"], row["overlap_metric"]) == ("g", "beyond_progress", "absolute_cosine")
    assert row["transfer_metric"] == "gap"
    assert np.isfinite(row["p"])
    assert np.isnan(row["q"])
    family = table[table["statistic"].isin(WHOLE) & ~table["primary"] & (table["method"] != "negative control")]
    family = family.dropna(subset=["p"])
    assert len(family) >= 4
    assert table["q"].notna().sum() == len(family)
    # Benjamini and Hochberg by hand: from the largest p down, the least of n p / rank.
    p = family["p"].sort_values(ascending=False)
    by_hand = np.minimum.accumulate(p * len(p) / np.arange(len(p), 0, -1))
    pd.testing.assert_series_equal(family["q"].sort_index(), by_hand.sort_index(), check_names=False)


def question_of(*groups: str) -> Primary:
    return Primary(overlap="cosine", method="mean_ablation", outcome="log_prob", transfer="gap", groups=groups)


@pytest.mark.parametrize(
    ("related", "control", "asked", "answer"),
    [("a", "c", (), "a"), ("ab", "c", ("b",), "b"), ("abd", "c", ("a", "b"), "primary groups")],
)
def test_one_row_answers_the_question(related, control, asked, answer):
    made = together(*(tables(*series(4, 7, seed=ord(name)), name=name) for name in related + control))
    groups = [group(name, "related" if name in related else "control") for name in related + control]
    table = correlation_table(*made, groups, primary=question_of(*asked))
    (row,) = table[table["primary"]].to_dict("records")
    assert (row["group"], row["statistic"], row["transfer_metric"]) == (answer, "beyond_progress", "gap")
    assert row["n_runs"] == (8 if answer == "primary groups" else 4)
    assert (len(rows_of(table, group="primary groups")) > 0) == (answer == "primary groups")


@pytest.mark.parametrize(
    ("related", "control", "asked", "answer"),
    [
        ("ab", "c", (), "all related groups"),
        ("ab", "c", ("a", "b"), "all related groups"),
        ("ab", "c", ("a", "c"), "primary groups"),
        ("ab", "c", ("c",), "c"),
        ("", "c", (), None),
        ("a", "c", ("absent",), None),
    ],
)
def test_of_several_groups_the_runs_together_answer(related, control, asked, answer):
    groups = [group(name, "related" if name in related else "control") for name in related + control]
    names = [*related, *control, "all related groups", "all control groups", "primary groups"]
    of_measures = {"overlap_metric": "cosine", "method": "mean_ablation", "outcome": "log_prob"}
    rows = [
        {"group": name, "statistic": statistic, "transfer_metric": transfer} | of_measures
        for name in names
        for statistic in ("aligned", "beyond_progress")
        for transfer in ("transfer_fraction", "gap")
    ]
    table = pd.DataFrame(rows)
    chosen = table[marked(table, question_of(*asked), groups)]
    assert chosen["group"].tolist() == ([] if answer is None else [answer])
    assert set(chosen["statistic"] + chosen["transfer_metric"]) <= {"beyond_progressgap"}


def test_two_seeds_describe_and_do_not_test():
    table = table_of(*series(2, 12))
    assert table["p"].isna().all()
    assert table["q"].isna().all()
    row = one(table, statistic="within_run")
    assert np.isfinite(row["value"])
    assert "no interval over 2 runs; it takes 6" in row["note"]
    assert one(table, statistic="beyond_progress")["verdict"] == "not testable"


def test_only_usable_checkpoints_count_and_several_auxiliaries_are_averaged():
    x, y = series(2, 6)
    first, transfer = tables(x, y)
    second = first.assign(task_b="capitalize", value=first["value"] + 1, baseline_b=0.25)
    between = first.assign(task_a="reverse", task_b="capitalize", value=99.0)
    overlap = pd.concat([first, second, between], ignore_index=True)
    overlap.loc[(overlap["task_b"] == "capitalize") & (overlap["seed"] == 1) & (overlap["step"] == 300), "usable"] = (
        False
    )
    groups = [group("g", auxiliary=("reverse", "capitalize"))]
    found, *_ = panels(overlap, transfer, groups)
    assert np.argwhere(~found.present).tolist() == [[1, 2]]
    np.testing.assert_allclose(found.overlap[found.present], (x + 0.5)[found.present])
    np.testing.assert_allclose(found.auxiliary_accuracy, (np.sqrt(learned(2, 6)) + 0.25) / 2)
    assert one(correlation_table(overlap, transfer, groups), statistic="pooled_pearson")["n_points"] == 11


def test_every_statistic_of_the_table_is_explained():
    made = together(*(tables(*series(5, 8, seed=i), name=name) for i, name in enumerate("abc")))
    groups = [group("a"), group("b"), group("c", "control")]
    assert set(correlation_table(*made, groups)["statistic"]) == set(STATISTIC_SUMMARIES)


def test_a_group_without_any_row_adds_none():
    overlap, transfer = tables(*series(2, 5))
    assert set(correlation_table(overlap, transfer, [group("g"), group("absent")])["group"]) == {"g"}
