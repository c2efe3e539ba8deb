"""Intervals over runs and over groups, against worked arithmetic, scipy and simulation.

Covers `correlation/intervals.py`.
"""

import numpy as np
import pytest
from checkpoint_series import series
from scipy import stats

from headreuse.correlation import (
    STATISTICS,
)
from headreuse.correlation.intervals import Interval, between_runs, cluster_bootstrap, difference, over_runs
from headreuse.correlation.power import autoregressive


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
