"""The correlations of a panel against scipy, numpy's least squares and worked arithmetic.

Covers `correlation/statistics.py`, `correlation/pooled.py` and `correlation/summaries.py`.
"""

import numpy as np
import pytest
from checkpoint_series import learned, panel, series
from scipy import stats

from headreuse.correlation import STATISTICS
from headreuse.correlation.estimate import estimate
from headreuse.correlation.paired import deviations
from headreuse.correlation.pooled import pooled
from headreuse.correlation.statistics import UndefinedError, given_accuracies, in_progress


def value(name: str, *args, **settings) -> float:
    return estimate(panel(*args, **settings), STATISTICS[name]).value


def median_r(x: np.ndarray, y: np.ndarray) -> float:
    """The median over runs of their own correlations, by scipy; through z, which matters for an even number of runs."""
    both = [np.isfinite(a) & np.isfinite(b) for a, b in zip(x, y, strict=True)]
    r = [stats.pearsonr(a[here], b[here]).statistic for a, b, here in zip(x, y, both, strict=True)]
    return float(np.tanh(np.median(np.arctanh(np.clip(r, -0.999, 0.999)))))


def test_within_run_is_the_median_of_pearsons():
    x, y = series(4, 9)
    x[1, 3] = y[1, 3] = np.nan
    assert value("within_run", x, y) == pytest.approx(median_r(x, y), abs=1e-12)


def test_pooled_correlations_are_scipys_and_neither_tested_nor_bounded():
    x, y = series(3, 8)
    x = np.round(x, 1)
    x[0, 2] = np.nan
    kept = np.isfinite(x)
    found = {entry.statistic: entry for entry in pooled(panel(x, y))}
    judges = {"pooled_pearson": stats.pearsonr, "pooled_spearman": stats.spearmanr, "pooled_kendall": stats.kendalltau}
    for name, judge in judges.items():
        assert found[name].value == pytest.approx(judge(x[kept], y[kept]).statistic, abs=1e-12)
        assert np.isnan([found[name].ci_low, found[name].p]).all()
    assert found["pooled_pearson"].n_points == 23


def test_between_run_is_the_correlation_of_means():
    x, y = series(5, 8)
    (found,) = (entry for entry in pooled(panel(x, y)) if entry.statistic == "between_run")
    assert found.value == pytest.approx(stats.pearsonr(x.mean(1), y.mean(1)).statistic, abs=1e-12)
    (few,) = (entry for entry in pooled(panel(x[:3], y[:3])) if entry.statistic == "between_run")
    assert np.isnan(few.value)
    assert few.note == "3 runs; it takes 4"


def test_pooling_can_turn_the_sign_of_every_run():
    levels = np.arange(6.0)[:, None]
    x, y = levels + 0.1 * np.arange(10), levels - 0.1 * np.arange(10)
    assert value("within_run", x, y) == pytest.approx(-0.999)
    assert {entry.statistic: entry.value for entry in pooled(panel(x, y))}["pooled_spearman"] > 0.8


def test_step_adjusted_is_of_what_is_left_of_run_and_step():
    x, y = series(5, 8, trend=4)
    trend, level = 3 * np.cos(np.arange(8.0)), np.arange(5.0)[:, None]
    by_hand = median_r(deviations(x), deviations(y))
    assert value("step_adjusted", x + trend + level, y - trend) == pytest.approx(by_hand, abs=1e-9)
    assert value("within_run", x + trend + level, y - trend) != pytest.approx(by_hand, abs=0.1)


def test_aligned_takes_a_clock_out_that_step_adjusted_takes_for_a_relation():
    late = np.array([-0.25, -0.1, 0.0, 0.1, 0.15, 0.3])
    main = learned(6, 24, late)
    noise = 0.02 * np.random.default_rng(0).normal(size=(2, 6, 24))
    x, y = main + noise[0], -main + noise[1]  # both follow main's progress, and each has noise of its own
    assert value("step_adjusted", x, y, main=main) < -0.8
    assert abs(value("aligned", x, y, main=main)) < 0.3
    overlap, _ = in_progress(panel(main, main, main=main))
    left = np.abs(deviations(overlap))
    assert np.nanmax(left) < 0.01 < 0.1 < np.abs(deviations(main)).max()
    assert np.isfinite(overlap).mean() > 0.8


def test_aligned_is_step_adjusted_where_all_runs_have_one_clock():
    x, y = series(5, 12)
    assert value("aligned", x, y) == pytest.approx(value("step_adjusted", x, y), abs=1e-9)


def test_aligned_says_why_it_is_undefined():
    x, y = series(3, 8)
    row = estimate(panel(x, y, main=np.full(x.shape, 0.9)), STATISTICS["aligned"])
    assert np.isnan(row.value)
    assert row.note == "no level of main's accuracy is crossed between the checkpoints of every run"
    assert row.n_runs == 0


@pytest.mark.parametrize("share_missing", [0.0, 0.25])
def test_conditional_is_of_the_residuals_of_least_squares_with_dummies(share_missing):
    generator = np.random.default_rng(4)
    x, y = series(5, 9)
    accuracies = generator.random((5, 9, 2))
    x[generator.random(x.shape) < share_missing] = np.nan
    accuracies[generator.random(x.shape) < share_missing / 3] = np.nan
    known = np.isfinite(x) & np.isfinite(accuracies).all(-1)
    run, step = np.nonzero(known)
    dummies = np.column_stack([run[:, None] == np.arange(5), step[:, None] == np.arange(1, 9), accuracies[known]])
    found = given_accuracies(x, y, accuracies)
    for left, values in zip(found, (x, y), strict=True):
        fit, *_ = np.linalg.lstsq(dummies.astype(float), values[known], rcond=None)
        np.testing.assert_allclose(left[known], values[known] - dummies @ fit, atol=1e-6)
        assert np.isnan(left[~known]).all()
    many = given_accuracies(*(np.stack([part, part[::-1]]) for part in (x, y, accuracies)))
    np.testing.assert_allclose(many[0][0], found[0], atol=1e-12)


def test_conditional_takes_out_what_both_take_from_the_accuracies():
    x, y = series(5, 12, relation=0.0)
    main = np.clip(learned(5, 12) + 0.2 * np.random.default_rng(1).normal(size=(5, 12)), 0, 1)
    assert value("step_adjusted", x + 30 * main, y - 30 * main, main=main) < -0.9
    with_it = value("conditional", x + 30 * main, y - 30 * main, main=main)
    assert with_it == pytest.approx(value("conditional", x, y, main=main), abs=0.01)
    unknown = np.full_like(main, np.nan)
    with pytest.raises(UndefinedError, match="accuracies at the length of the head scores are not known"):
        STATISTICS["conditional"].pair(panel(x, y, main=unknown))


def test_first_differences_by_hand():
    x, y = np.array([[0.0, 1, 3, 3, 2]]), np.array([[0.0, 2, 1, 5, 6]])
    expected = stats.pearsonr([1, 2, 0, -1], [2, -1, 4, 1]).statistic
    assert value("first_differences", x, y) == pytest.approx(expected)


def test_lags_say_which_leads():
    x = np.random.default_rng(0).normal(size=(3, 30))
    y = np.roll(x, 1, axis=1)
    assert value("lag+1", x, y) > 0.99
    assert abs(value("lag-1", x, y)) < 0.4
    assert value("lag-2", np.roll(x, 2, axis=1), x) > 0.99


@pytest.mark.parametrize("name", sorted(STATISTICS))
def test_every_statistic_is_a_correlation_and_says_what_it_is(name):
    x, y = series(4, 10)
    main = np.clip(learned(4, 10) + 0.1 * np.random.default_rng(0).normal(size=(4, 10)), 0, 1)
    whole, opposite = value(name, x, y, main=main), value(name, x, -y, main=main)
    assert whole == pytest.approx(-opposite)
    assert value(name, 5 * x - 3, y, main=main) == pytest.approx(whole)
    if not name.startswith("lag"):
        assert value(name, x, x, main=main) == pytest.approx(0.999)
    assert STATISTICS[name].summary.endswith(".")


def test_retimed_takes_out_what_an_error_of_a_clock_leaves_in_both_series():
    x, y = series(6, 24, relation=0.0, trend=0)
    main = learned(6, 24)
    error = 0.1 * np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 1.5])
    rising, falling = 60 * learned(6, 24, error), -60 * learned(6, 24, error)  # timed apart from main's accuracy
    assert value("aligned", x + rising, y + falling, main=main) < -0.8
    assert abs(value("retimed", x + rising, y + falling, main=main)) < 0.35
    x, y = series(6, 24, relation=0.95, trend=0)
    assert value("retimed", x + rising, y + falling, main=main) > 0.5


@pytest.mark.parametrize("name", ["step_adjusted", "aligned", "conditional"])
def test_what_is_tested_knows_no_trend_that_all_runs_share(name):
    x, y = series(5, 12)
    trend = 5 * np.sin(np.arange(12) / 2)
    assert value(name, x + trend, y + trend) == pytest.approx(value(name, x, y), abs=1e-6)
