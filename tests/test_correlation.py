"""The correlation table: what is offered, over groups too, and what is said where nothing is.

Covers `correlation/table.py`, `correlation/estimate.py`, `correlation/panels.py`, `correlation/across.py`,
`correlation/group_level.py`, `correlation/summaries.py` and `correlation/wording.py`.
"""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from checkpoint_series import group, one, rows_of, series, tables
from scipy import stats

from headreuse.correlation import (
    STATISTIC_SUMMARIES,
    STATISTICS,
    correlation_table,
    mantel,
    panels,
)
from headreuse.correlation.across import combine
from headreuse.correlation.intervals import over_runs


def test_the_mean_over_groups_adds_their_variances_with_welchs_degrees_of_freedom():
    found = [next(iter(panels(*tables(*series(4, 12, seed=seed)), [group("g")]))) for seed in (0, 1)]
    statistic = STATISTICS["within_run"]
    z, error = [], []
    for panel in found:
        interval = over_runs(panel.overlap, panel.transfer, statistic)
        z.append(np.arctanh(statistic(panel.overlap, panel.transfer)))
        error.append((np.arctanh(interval.high) - z[-1]) / stats.t.ppf(0.975, 3))
    variance = (error[0] ** 2 + error[1] ** 2) / 4
    freedom = variance**2 / ((error[0] ** 4 + error[1] ** 4) / 16 / 3)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    both = combine(found)
    assert both.value == pytest.approx(np.tanh(np.mean(z)))
    assert (both.interval.low, both.interval.high) == pytest.approx(
        (np.tanh(np.mean(z) - half), np.tanh(np.mean(z) + half))
    )


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


def test_groups_as_units():
    made = [
        tables(np.tile([1 - i / 10, 0.5, i / 10], (2, 1)), np.tile([1 - i / 10], (2, 3)), name=f"g{i}")
        for i in range(6)
    ]
    overlap, transfer = (pd.concat(frames) for frames in zip(*made, strict=True))
    after = {"step": 400, "usable": False, "value": 0.5}
    overlap = pd.concat([overlap, overlap.drop_duplicates(["group", "seed"]).assign(**after)])
    transfer = pd.concat([transfer, transfer.drop_duplicates(["group", "seed"]).assign(step=400, gap=0.5)])
    later = overlap["group"] == "g5"
    overlap.loc[later & (overlap["step"] == 300) & (overlap["seed"] == 0), "usable"] = False
    groups = [group(f"g{i}") for i in range(6)]
    row = one(correlation_table(overlap, transfer, groups), group="all groups")
    assert row["value"] == pytest.approx(-1.0)
    assert row["p"] == pytest.approx(2 / 720)
    assert row["n_points"] == 6
    few = one(correlation_table(overlap, transfer, groups[:4]), group="all groups")
    assert np.isnan(few["p"])
    assert "no p from 4 groups" in few["note"]
    assert not len(rows_of(correlation_table(overlap, transfer, groups[:2]), group="all groups"))


def test_two_seeds_a_group_have_no_interval_of_the_contrast():
    made = [tables(*series(2, 12, seed=i), name=name) for i, name in enumerate("ab")]
    overlap, transfer = (pd.concat(frames) for frames in zip(*made, strict=True))
    row = one(correlation_table(overlap, transfer, [group("a"), group("b", "control")]), group="related − control")
    assert np.isfinite(row["value"])
    assert np.isnan(row["ci_low"])
    assert "no interval from groups of 2 runs; it takes 3 in each" in row["note"]


def test_related_and_control_groups_are_contrasted():
    groups = [group("a"), group("b"), group("c", "control")]
    relations = {"a": 0.9, "b": 0.8, "c": 0.0}
    made = [tables(*series(4, 12, seed=i, relation=r), name=name) for i, (name, r) in enumerate(relations.items())]
    overlap, transfer = (pd.concat(frames) for frames in zip(*made, strict=True))
    table = correlation_table(overlap, transfer, groups)
    whole = one(table, group="all related groups", statistic="within_run")
    apart = one(table, group="related − control")
    control = one(table, group="c", statistic="within_run")
    assert whole["n_runs"] == 8
    assert whole["p"] < 0.05
    assert apart["value"] == pytest.approx(whole["value"] - control["value"])
    assert apart["ci_low"] < apart["value"] < apart["ci_high"]
    assert not len(rows_of(table, group="all control groups"))


def test_two_seeds_describe_and_do_not_test():
    table = correlation_table(*tables(*series(2, 12)), [group("g")])
    assert table["p"].isna().all()
    assert table["q"].isna().all()
    row = one(table, statistic="within_run")
    assert np.isfinite([row["value"], row["ci_low"], row["ci_high"]]).all()
    assert "no p from 2 runs, which cannot be less than 0.5" in row["note"]
    pooled = one(table, statistic="pooled_pearson")
    assert np.isnan(pooled["ci_low"])
    assert "pooled: no interval" in pooled["note"]


def test_four_seeds_test_and_q_is_over_the_measures():
    x, y = series(5, 12)
    made = [tables(x + 0.1 * i * series(5, 12, seed=i)[0], y, metric=f"metric_{i}") for i in range(4)]
    overlap, transfer = pd.concat([frames[0] for frames in made]), made[0][1]
    table = correlation_table(overlap, transfer, [group("g")])
    rows = rows_of(table, statistic="within_run")
    np.testing.assert_allclose(rows["q"], stats.false_discovery_control(rows["p"]))
    assert (rows["q"] >= rows["p"]).all()
    assert set(rows["test"]) == {"seed permutation"}


def test_only_usable_checkpoints_count_and_several_auxiliaries_are_averaged():
    x, y = series(2, 6)
    first, transfer = tables(x, y)
    second = first.assign(task_b="capitalize", value=first["value"] + 1)
    between = first.assign(task_a="reverse", task_b="capitalize", value=99.0)
    overlap = pd.concat([first, second, between], ignore_index=True)
    overlap.loc[(overlap["task_b"] == "capitalize") & (overlap["seed"] == 1) & (overlap["step"] == 300), "usable"] = (
        False
    )
    (panel, _) = panels(overlap, transfer, [group("g", auxiliary=("reverse", "capitalize"))])
    assert np.argwhere(~panel.present).tolist() == [[1, 2]]
    np.testing.assert_allclose(panel.overlap[panel.present], (x + 0.5)[panel.present])
    table = correlation_table(overlap, transfer, [group("g", auxiliary=("reverse", "capitalize"))])
    assert one(table, statistic="pooled_pearson")["n_points"] == 11


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        (np.ones((2, 5)), np.random.default_rng(0).normal(size=(2, 5)), "cosine does not vary"),
        (np.random.default_rng(0).normal(size=(2, 5)), np.full((2, 5), 0.1 + 0.2), "gap does not vary"),
        (np.arange(2.0)[:, None], np.arange(2.0)[:, None], "2 usable checkpoints; a correlation needs at least 3"),
    ],
)
def test_what_is_undefined_is_there_with_the_reason(x, y, reason):
    table = correlation_table(*tables(x, y), [group("g")])
    for name in ("pooled_pearson", "pooled_spearman", "within_run"):
        row = one(table, statistic=name)
        assert np.isnan(row["value"])
        assert reason in row["note"]


def test_one_run_has_no_interval_over_runs():
    row = one(correlation_table(*tables(*series(1, 8)), [group("g")]), statistic="within_run")
    assert np.isfinite(row["value"])
    assert np.isnan(row["ci_low"])
    assert "no interval over 1 run; it takes 2" in row["note"]


def test_every_statistic_of_the_table_is_explained():
    made = [tables(*series(5, 8, seed=i), name=name) for i, name in enumerate("abc")]
    overlap, transfer = (pd.concat(frames) for frames in zip(*made, strict=True))
    groups = [group("a"), group("b"), group("c", "control")]
    assert set(correlation_table(overlap, transfer, groups)["statistic"]) == set(STATISTIC_SUMMARIES)


def test_a_group_without_any_row_adds_none():
    overlap, transfer = tables(*series(2, 5))
    assert set(correlation_table(overlap, transfer, [group("g"), group("absent")])["group"]) == {"g"}
