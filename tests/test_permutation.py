"""The seed-permutation test and what it detects, against slow loops and by simulation.

Covers `correlation/permutation.py` and `correlation/power.py`.
"""

from itertools import permutations, product

import numpy as np
import pytest
from checkpoint_series import series

from headreuse.correlation import (
    STATISTICS,
    detectable_correlation,
    seed_permutation,
    smallest_p,
)
from headreuse.correlation.permutation import null, p_value, slope_interval, stratified
from headreuse.correlation.power import autoregressive


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
