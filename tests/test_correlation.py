"""Correlations against statsmodels, scipy and slow loops; what is offered, and what is said where nothing is."""

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from headreuse.correlation import (
    STATISTIC_SUMMARIES,
    STATISTICS,
    correlation_table,
    detectable_correlation,
    effective_sample_size,
    mantel,
    panels,
    residual_autocorrelation,
    seed_permutation,
    smallest_p,
)
from headreuse.correlation.across import combine
from headreuse.correlation.intervals import Interval, between_runs, cluster_bootstrap, difference, over_runs
from headreuse.correlation.mixed import fit_mixed
from headreuse.correlation.permutation import null, p_value, slope_interval, stratified
from headreuse.correlation.power import autoregressive
from headreuse.study import Group


def group(name: str, kind: str = "related", main: str = "copy", auxiliary: tuple[str, ...] = ("reverse",)) -> Group:
    return Group.model_validate(
        {
            "name": name,
            "kind": kind,
            "main": {"task": main, "max_length": 8},
            "auxiliary": [{"task": task, "max_length": 16} for task in auxiliary],
        }
    )


def tables(x: np.ndarray, y: np.ndarray, *, name: str = "g", metric: str = "cosine", **changes):
    """Overlap and transfer tables of series (`run step`), the smallest that there can be."""
    overlap, transfer = [], []
    for (seed, step), value in np.ndenumerate(x):
        place = {"group": name, "seed": seed, "step": 100 * (step + 1)}
        measured = {"metric": metric, "method": "mean_ablation", "outcome": "log_prob", "value": value, "usable": True}
        baselines = {"baseline_a": np.sqrt(step + seed), "baseline_b": np.cos(3 * step + seed)}
        overlap.append(place | {"task_a": "copy", "task_b": "reverse"} | measured | baselines | changes)
        transfer.append(place | {"gap": y[seed, step], "transfer_fraction": 1 - 2 * y[seed, step]})
    return pd.DataFrame(overlap), pd.DataFrame(transfer)


def series(n_runs: int, n_steps: int, seed: int = 0, relation: float = 0.6, trend: float = 1.0):
    generator = np.random.default_rng(seed)
    own, other = (autoregressive((n_runs, n_steps), 0.5, generator) for _ in range(2))
    common = trend * np.linspace(-1, 1, n_steps)
    level = generator.normal(size=(2, n_runs, 1))
    return common + own + level[0], common + relation * own + np.sqrt(1 - relation**2) * other + level[1]


def rows_of(table: pd.DataFrame, **chosen) -> pd.DataFrame:
    for column, value in chosen.items():
        table = table[table[column] == value]
    return table


def one(table: pd.DataFrame, **chosen) -> pd.Series:
    rows = rows_of(table, transfer_metric="gap", **chosen)
    assert len(rows) == 1
    return rows.iloc[0]


# Values


def test_within_run_is_the_ancova_with_run_as_factor():
    x, y = series(4, 9)
    x[1, 3] = y[1, 3] = np.nan
    present = np.isfinite(x)
    run = np.nonzero(present)[0]
    design = np.column_stack([x[present], run[:, None] == np.arange(4)])
    ancova = sm.OLS(y[present], design.astype(float)).fit()
    without = sm.OLS(y[present], design[:, 1:].astype(float)).fit()
    explained = (without.ssr - ancova.ssr) / without.ssr
    r = STATISTICS["within_run"](x, y)
    assert r == pytest.approx(np.sign(ancova.params[0]) * np.sqrt(explained), abs=1e-12)


def test_pooled_correlations_are_scipys():
    x, y = series(3, 8)
    x = np.round(x, 1)
    judges = {"pooled_pearson": stats.pearsonr, "pooled_spearman": stats.spearmanr, "pooled_kendall": stats.kendalltau}
    for name, judge in judges.items():
        assert STATISTICS[name](x, y) == pytest.approx(judge(x.ravel(), y.ravel()).statistic, abs=1e-12)
        holes_x, holes_y = x.copy(), y.copy()
        holes_x[0, 2] = holes_y[0, 2] = np.nan
        kept = np.isfinite(holes_x)
        expected = judge(x[kept], y[kept]).statistic
        assert STATISTICS[name](holes_x, holes_y) == pytest.approx(expected, abs=1e-12)


def test_between_run_is_the_correlation_of_means():
    x, y = series(5, 8)
    assert STATISTICS["between_run"](x, y) == pytest.approx(stats.pearsonr(x.mean(1), y.mean(1)).statistic, abs=1e-12)


def test_step_adjusted_is_the_ancova_with_run_and_step_as_factors():
    x, y = series(4, 6)
    run, step = (index.ravel() for index in np.indices(x.shape))
    factors = np.column_stack([run[:, None] == np.arange(4), step[:, None] == np.arange(1, 6)]).astype(float)
    left = [sm.OLS(values.ravel(), factors).fit().resid for values in (x, y)]
    assert STATISTICS["step_adjusted"](x, y) == pytest.approx(stats.pearsonr(*left).statistic, abs=1e-12)
    slope = sm.OLS(y.ravel(), np.column_stack([x.ravel(), factors])).fit().params[0]
    assert slope_interval(x, y)[0] == pytest.approx(slope, abs=1e-12)


def test_first_differences_by_hand():
    x, y = np.array([[0.0, 1, 3, 3]]), np.array([[0.0, 2, 1, 5]])
    assert STATISTICS["first_differences"](x, y) == pytest.approx(stats.pearsonr([1, 2, 0], [2, -1, 4]).statistic)


@pytest.mark.parametrize("name", sorted(STATISTICS))
def test_every_statistic_broadcasts_and_is_a_correlation(name):
    x, y = series(4, 9)
    statistic = STATISTICS[name]
    batch_x, batch_y = np.stack([x, y, -x]), np.stack([y, y, x])
    whole = statistic(batch_x, batch_y)
    for i in range(3):
        assert whole[i] == pytest.approx(statistic(batch_x[i], batch_y[i]))
    assert whole[1] == pytest.approx(1.0)
    assert whole[2] == pytest.approx(-1.0)
    assert np.isnan(statistic(x, np.full_like(y, 0.3)))


def test_pooling_can_turn_the_sign_of_every_run():
    levels = np.arange(6.0)[:, None]
    x = levels + 0.1 * np.arange(10)
    y = levels - 0.1 * np.arange(10)
    assert STATISTICS["within_run"](x, y) == pytest.approx(-1.0)
    assert STATISTICS["pooled_spearman"](x, y) > 0.8


def test_partial_correlation_is_that_of_residuals():
    x, y = series(3, 10)
    overlap, transfer = tables(x, y)
    row = one(correlation_table(overlap, transfer, [group("g")]), statistic="partial")
    run, step = (index.ravel() for index in np.indices(x.shape))
    covariates = np.column_stack(
        [run[:, None] == np.arange(3), np.log1p(100 * (step + 1)), overlap["baseline_a"], overlap["baseline_b"]]
    ).astype(float)
    left = [sm.OLS(values.ravel(), covariates).fit().resid for values in (x, y)]
    assert row["value"] == pytest.approx(stats.pearsonr(*left).statistic, abs=1e-9)


def test_lags_say_which_leads():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(3, 30))
    y = np.roll(x, 1, axis=1)
    table = correlation_table(*tables(x, y), [group("g")])
    values = {name: one(table, statistic=name)["value"] for name in ("lag-1", "lag+1")}
    assert values["lag+1"] == pytest.approx(1.0)
    assert abs(values["lag-1"]) < 0.4


def test_mixed_slopes_are_those_of_statsmodels_and_of_least_squares():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(8, 12))
    y = 3 * generator.normal(size=(8, 1)) + (0.5 + 0.1 * generator.normal(size=(8, 1))) * x
    y += 0.2 * generator.normal(size=y.shape)
    run = np.indices(x.shape)[0].ravel()
    for random_slope in (False, True):
        design = sm.add_constant(x.ravel())
        judge = sm.MixedLM(y.ravel(), design, groups=run, exog_re=design if random_slope else None).fit(reml=True)
        fitted = fit_mixed(x, y, random_slope=random_slope)
        assert fitted.slope == pytest.approx(judge.fe_params[1], abs=1e-3)
        assert fitted.slope_of(np.arange(8)) == pytest.approx(fitted.slope, abs=1e-6)


def test_effective_sample_size_is_less_where_both_series_wander():
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(2, 400))
    wandering = autoregressive((2, 400), 0.8, generator)
    assert effective_sample_size(*noise) == pytest.approx(400, rel=0.15)
    expected = 400 * (1 - 0.64) / (1 + 0.64)
    assert effective_sample_size(*wandering) == pytest.approx(expected, rel=0.4)
    assert np.isnan(effective_sample_size(np.ones(9), np.arange(9.0)))


# Seed permutation


def test_seed_permutation_counts_every_pairing():
    x, y = series(4, 7)
    cx, cy = (values - values.mean(1, keepdims=True) for values in (x, y))
    sums = np.array([(cx[list(order)] * cy).sum() for order in permutations(range(4))])
    far = np.abs(sums - sums.mean())
    expected = np.mean(far >= far[0] - 1e-12)
    assert seed_permutation(x, y, STATISTICS["within_run"]) == pytest.approx(expected)


def test_the_common_trend_is_not_taken_for_a_relation():
    generator = np.random.default_rng(2)
    trend = 5 * np.tanh(np.linspace(-2, 2, 20))
    x, y = (trend + generator.normal(size=(1000, 5, 20)) for _ in range(2))
    p = seed_permutation(x, y, STATISTICS["within_run"])
    assert (p <= 0.05).mean() <= 0.07
    assert (STATISTICS["within_run"](x, y) > 0.8).all()


@pytest.mark.parametrize("name", [name for name, statistic in STATISTICS.items() if statistic.by_run])
def test_permuting_seeds_is_exact_for_every_statistic_that_offers_it(name):
    x, y = series(4, 6)
    statistic = STATISTICS[name]
    slow = np.array([statistic(x[list(order)], y) for order in permutations(range(4))])
    far = np.abs(slow - slow.mean())
    assert seed_permutation(x, y, statistic) == pytest.approx(np.mean(far >= far[0] - 1e-9))


def test_groups_are_permuted_each_on_its_own():
    first, second = series(3, 6, seed=1), series(3, 5, seed=2)
    centred = STATISTICS["within_run"].centred
    nulls = [null(centred(x), centred(y)) for x, y in (first, second)]
    sums = np.array([a + b for a, b in product(*nulls)])
    far = np.abs(sums)
    assert p_value(stratified(nulls)) == pytest.approx(np.mean(far >= far[0] - 1e-12))
    assert smallest_p((3, 3)) == pytest.approx(1 / 36)


def test_slope_interval_holds_exactly_what_is_not_rejected():
    x, y = series(5, 8)
    slope, interval = slope_interval(x, y)
    statistic = STATISTICS["step_adjusted"]
    inside, outside = 1e-6, -1e-6
    for limit, sign in ((interval.low, 1), (interval.high, -1)):
        for offset, rejected in ((inside, False), (outside, True)):
            left = y - (limit + sign * offset) * x
            assert (_p_of_residuals(x, left, statistic) <= 0.05) == rejected
    assert interval.low < slope < interval.high


def _p_of_residuals(x, left, statistic):
    cx, cy = statistic.centred(x), statistic.centred(left)
    sums = np.array([(cx[list(order)] * cy).sum() for order in permutations(range(len(x)))])
    return np.mean(np.abs(sums) >= np.abs(sums[0]) * (1 - 1e-12))


# Intervals


def test_jackknife_by_hand():
    x, y = series(3, 8)
    z = np.arctanh(STATISTICS["within_run"](x, y))
    pseudo = [
        3 * z - 2 * np.arctanh(STATISTICS["within_run"](np.delete(x, i, 0), np.delete(y, i, 0))) for i in range(3)
    ]
    error = np.sqrt(np.sum((np.array(pseudo) - z) ** 2) / 6)
    interval = over_runs(x, y, STATISTICS["within_run"])
    assert interval.high == pytest.approx(np.tanh(z + stats.t.ppf(0.975, 2) * error))


def test_interval_over_runs_covers_where_the_one_over_checkpoints_does_not():
    generator = np.random.default_rng(0)
    x, y = (autoregressive((400, 5, 30), 0.8, generator) for _ in range(2))
    statistic = STATISTICS["within_run"]
    interval = over_runs(x, y, statistic)
    residual_degrees_of_freedom = 150 - 5 - 1  # of the ANCOVA: points less one intercept per run and one slope
    naive = 1.96 / np.sqrt(residual_degrees_of_freedom - 1)
    assert 0.91 <= np.mean((interval.low <= 0) & (interval.high >= 0)) <= 0.99
    assert np.mean(np.abs(np.arctanh(statistic(x, y))) <= naive) < 0.75


def test_interval_between_runs_is_scipys():
    x, y = np.random.default_rng(0).normal(size=(2, 9))
    judge = stats.pearsonr(x, y).confidence_interval(0.95)
    found = between_runs(np.array(stats.pearsonr(x, y).statistic), 9)
    assert (found.low, found.high) == pytest.approx((judge.low, judge.high))


def test_cluster_bootstrap_is_about_the_jackknife_with_many_runs():
    x, y = series(40, 10)
    found = cluster_bootstrap(x, y, np.random.default_rng(0))
    jackknife = over_runs(x, y, STATISTICS["within_run"])
    assert (found.low, found.high) == pytest.approx((jackknife.low, jackknife.high), abs=0.05)


def test_difference_of_intervals_by_hand():
    found = difference((0.8, Interval(0.5, 0.9)), (0.1, Interval(-0.3, 0.4)))
    assert found.low == pytest.approx(0.7 - np.hypot(0.3, 0.3))
    assert found.high == pytest.approx(0.7 + np.hypot(0.1, 0.4))


# Groups


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


# Tables


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
    ("x", "y", "told"),
    [
        (np.ones((2, 5)), np.random.default_rng(0).normal(size=(2, 5)), "cosine does not vary"),
        (np.random.default_rng(0).normal(size=(2, 5)), np.full((2, 5), 0.1 + 0.2), "gap does not vary"),
        (np.arange(2.0)[:, None], np.arange(2.0)[:, None], "2 usable checkpoints; a correlation needs at least 3"),
    ],
)
def test_what_is_undefined_is_there_with_the_reason(x, y, told):
    table = correlation_table(*tables(x, y), [group("g")])
    for name in ("pooled_pearson", "pooled_spearman", "within_run"):
        row = one(table, statistic=name)
        assert np.isnan(row["value"])
        assert told in row["note"]


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


# Power


def test_power_in_words():
    generator = np.random.default_rng(0)
    few = detectable_correlation(2, 15, 0.5, generator)
    assert np.isnan(few.detectable)
    assert "2 runs describe and cannot test" in str(few)
    some = detectable_correlation(5, 15, 0.5, generator, n_simulations=200)
    more = detectable_correlation(5, 40, 0.5, generator, n_simulations=200)
    assert more.detectable < some.detectable < 0.99
    assert f"{some.detectable:.2f} or more is found in 80%" in str(some)


def test_what_is_detectable_is_found_in_about_80_percent():
    generator = np.random.default_rng(1)
    relation = detectable_correlation(5, 15, 0.5, generator).detectable
    x, other = (autoregressive((600, 5, 15), 0.5, generator) for _ in range(2))
    y = relation * x + np.sqrt(1 - relation**2) * other
    assert (seed_permutation(x, y, STATISTICS["within_run"]) <= 0.05).mean() == pytest.approx(0.8, abs=0.06)


def test_autocorrelation_beyond_the_trend_is_found():
    x, y = series(8, 200, relation=0.0)
    (panel, _) = panels(*tables(x, y), [group("g")])
    assert residual_autocorrelation(panel) == pytest.approx(0.5, abs=0.1)
