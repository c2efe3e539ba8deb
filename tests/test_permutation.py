"""Correlations of runs and the permutation of their seeds, against scipy, slow loops and by simulation.

Covers `correlation/paired.py`.
"""

from itertools import permutations, product

import numpy as np
import pytest
from checkpoint_series import series
from scipy import stats

from headreuse.correlation import permutation_p, run_correlations, smallest_p
from headreuse.correlation.paired import deviations, own, pairings
from headreuse.correlation.simulated import autoregressive


def with_holes(values: np.ndarray, share: float, seed: int) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(values.shape) < share, np.nan, values)


def test_correlations_of_runs_are_pearsons_over_the_points_that_both_have():
    x, y = (with_holes(values, 0.25, seed) for seed, values in enumerate(series(5, 9)))
    x[1], y[3] = [0.1, 0.7, 0.2, *[np.nan] * 6], np.sin(np.arange(9.0))  # three points are too few
    y[2] = 0.1 + 0.2  # does not vary
    z = run_correlations(x, y)
    for i, j in product(range(5), repeat=2):
        both = np.isfinite(x[i]) & np.isfinite(y[j])
        if i == 1 or j == 2 or both.sum() < 4:
            assert np.isnan(z[i, j])
        else:
            assert np.tanh(z[i, j]) == pytest.approx(stats.pearsonr(x[i, both], y[j, both]).statistic, abs=1e-12)
    assert np.isfinite(z).sum() >= 12


def test_a_perfect_correlation_is_finite():
    x, _ = series(3, 8)
    assert np.tanh(own(run_correlations(x, -x))) == pytest.approx([-0.999] * 3)


def slow_polish(series: np.ndarray) -> np.ndarray:
    least = min(3, len(series))
    counts = np.isfinite(series).sum(axis=0)
    left = np.where(counts >= least, series, np.nan)
    for _ in range(4):
        for run in range(len(left)):
            left[run] = left[run] - np.nanmean(left[run])
        for step in np.flatnonzero(counts >= least):
            left[:, step] = left[:, step] - np.nanmedian(left[:, step])
    return np.array([row - np.nanmean(row) for row in left])


@pytest.mark.parametrize("n_runs", [2, 3, 6])
def test_deviations_are_those_of_a_slow_median_polish(n_runs):
    x = with_holes(series(n_runs, 8)[0], 0.2, seed=1)
    x[1:, 4] = np.nan  # a point of one run alone
    found = deviations(x)
    np.testing.assert_allclose(found, slow_polish(x), atol=1e-12)
    assert np.isnan(found[:, 4]).all()


def test_deviations_know_neither_trend_nor_level_and_one_wild_run_moves_no_other():
    x, _ = series(6, 10)
    moved = x + 7 * np.sin(np.arange(10)) + np.arange(6)[:, None]
    np.testing.assert_allclose(deviations(moved), deviations(x), atol=1e-12)
    wild = x.copy()
    wild[5] *= 100
    means = [
        values - values.mean(1, keepdims=True) - (values - values.mean(1, keepdims=True)).mean(0)
        for values in (x, wild)
    ]
    by_median = np.abs(deviations(wild) - deviations(x))[:5].max()
    assert by_median < 2
    assert np.abs(means[1] - means[0])[:5].max() > 10 * by_median


def t_of(z: np.ndarray, *orders: tuple[int, ...]) -> float:
    """Student's t, by scipy, of the runs' correlations under pairings of one or several matrices."""
    values = []
    for matrix, order in zip(z, orders, strict=True):
        known = np.nan_to_num(matrix)
        values += [known[overlap, transfer] - known.mean() for transfer, overlap in enumerate(order)]
    return abs(stats.ttest_1samp(values, 0).statistic)


def share_as_far(found: list[float]) -> float:
    return float(np.mean(np.array(found) >= found[0] * (1 - 1e-9)))


def test_seed_permutation_counts_every_pairing():
    x, y = (deviations(values) for values in series(4, 8, relation=0.3))
    z = run_correlations(x, y)
    expected = share_as_far([t_of([z], order) for order in permutations(range(4))])
    assert permutation_p([[z]]) == pytest.approx(expected)
    assert expected not in (1 / 24, 1)


def test_groups_are_permuted_each_on_its_own_and_twins_together():
    first, second = (run_correlations(*map(deviations, series(3, 8, seed=seed, relation=0.4))) for seed in (1, 2))
    orders = list(permutations(range(3)))
    apart = share_as_far([t_of([first, second], a, b) for a, b in product(orders, orders)])
    joint = share_as_far([t_of([first, second], order, order) for order in orders])
    assert permutation_p([[first], [second]]) == pytest.approx(apart)
    assert permutation_p([[first, second]]) == pytest.approx(joint)
    assert apart != pytest.approx(joint)


def test_a_twin_with_the_same_data_counts_once():
    z = run_correlations(*map(deviations, series(5, 10, relation=0.3, seed=3)))
    alone = permutation_p([[z]])
    assert permutation_p([[z, z]]) == pytest.approx(float(alone))
    assert permutation_p([[z], [z]]) < alone


def test_the_least_p_of_a_number_of_seeds():
    assert smallest_p(4) == pytest.approx(1 / 24)
    assert smallest_p(3, 3) == pytest.approx(1 / 36)
    assert smallest_p(12) == smallest_p(6, 6) == pytest.approx(1 / 5000)
    z = np.full((4, 4), -1.0) + 2 * np.eye(4)
    assert permutation_p([[z]]) == pytest.approx(1 / 24)


def test_many_pairings_are_a_sample_with_the_true_one_first():
    orders = pairings(9)
    assert orders.shape == (5000, 9)
    assert orders[0].tolist() == list(range(9))
    assert (np.sort(orders, axis=1) == np.arange(9)).all()
    assert orders[1:].mean(axis=0) == pytest.approx(np.full(9, 4.0), abs=0.15)


def test_runs_that_are_all_alike_have_a_p():
    x = np.tile(np.sin(np.arange(9.0)), (4, 1))
    assert permutation_p([[run_correlations(x, x)]]) == 1.0


def test_neither_a_common_trend_nor_scales_nor_slopes_of_runs_are_taken_for_a_relation():
    generator = np.random.default_rng(2)
    shape = (600, 6, 12)
    trend = 5 * np.tanh(np.linspace(-2, 2, 12))
    x, y = (autoregressive(shape, 0.5, generator) for _ in range(2))
    scale = np.exp(0.8 * generator.normal(size=(600, 6, 1)))
    slope = generator.normal(size=(600, 6, 1))
    cases = {"trend": (trend + x, trend + y), "scale": (scale * x, scale * y), "slopes": (x, y + slope * x)}
    for a, b in cases.values():
        p = permutation_p([[run_correlations(deviations(a), deviations(b))]])
        assert 0.02 <= (p <= 0.05).mean() <= 0.08
    sums = np.einsum("sip,sjp->sij", *map(deviations, cases["slopes"]))  # of products, not each run's correlation
    under = sums[:, pairings(6), np.arange(6)].sum(-1) - sums.mean((1, 2))[:, None] * 6
    naive = (np.abs(under) >= np.abs(under[:, :1]) * (1 - 1e-9)).mean(1)
    assert (naive <= 0.05).mean() > 0.15
