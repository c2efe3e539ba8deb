"""Correlations and slopes against statsmodels, scipy and worked arithmetic.

Covers `correlation/statistics.py`, `correlation/further.py`, `correlation/mixed.py` and
`correlation/autocorrelation.py`.
"""

import numpy as np
import pytest
from checkpoint_series import group, one, series, tables
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.tools import add_constant

from headreuse.correlation import (
    STATISTICS,
    correlation_table,
    effective_sample_size,
    panels,
    residual_autocorrelation,
)
from headreuse.correlation.mixed import fit_mixed
from headreuse.correlation.permutation import slope_interval
from headreuse.correlation.power import autoregressive


def test_within_run_is_the_ancova_with_run_as_factor():
    x, y = series(4, 9)
    x[1, 3] = y[1, 3] = np.nan
    present = np.isfinite(x)
    run = np.nonzero(present)[0]
    design = np.column_stack([x[present], run[:, None] == np.arange(4)])
    ancova = OLS(y[present], design.astype(float)).fit()
    without = OLS(y[present], design[:, 1:].astype(float)).fit()
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
    left = [OLS(values.ravel(), factors).fit().resid for values in (x, y)]
    assert STATISTICS["step_adjusted"](x, y) == pytest.approx(stats.pearsonr(*left).statistic, abs=1e-12)
    slope = OLS(y.ravel(), np.column_stack([x.ravel(), factors])).fit().params[0]
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
    left = [OLS(values.ravel(), covariates).fit().resid for values in (x, y)]
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
        design = add_constant(x.ravel())
        judge = MixedLM(y.ravel(), design, groups=run, exog_re=design if random_slope else None).fit(reml=True)
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


def test_autocorrelation_beyond_the_trend_is_found():
    x, y = series(8, 200, relation=0.0)
    (panel, _) = panels(*tables(x, y), [group("g")])
    assert residual_autocorrelation(panel) == pytest.approx(0.5, abs=0.1)
