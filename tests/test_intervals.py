"""The interval of the median, and which estimates have an interval or a p at all.

Covers `correlation/medians.py` and `correlation/estimate.py`.
"""

from itertools import product

import numpy as np
import pytest
from checkpoint_series import learned, panel, series
from scipy import stats

from headreuse.correlation import STATISTICS
from headreuse.correlation.estimate import CONFIDENCE, combined, estimate
from headreuse.correlation.medians import confidence_of, interval_of_median, rank_of_end
from headreuse.correlation.paired import deviations, own, permutation_p, run_correlations

ADJUSTED = STATISTICS["step_adjusted"]


def enclosed(n: int, k: int) -> float:
    """How often the k-th lowest and k-th highest enclose the median: each value is above it as often as below."""
    sides = np.array(list(product([0, 1], repeat=n))).sum(axis=1)
    return float(np.mean((sides >= k) & (sides <= n - k)))


@pytest.mark.parametrize("n", [5, 6, 9, 12])
def test_the_interval_is_the_narrowest_that_is_sure_enough_counted_over_all_sides(n):
    sure = [k for k in range(1, n // 2 + 1) if enclosed(n, k) >= CONFIDENCE]
    k = rank_of_end(n, confidence=CONFIDENCE)
    assert k == max(sure, default=0)
    if k:
        assert confidence_of(n, k) == pytest.approx(enclosed(n, k))
    else:
        assert np.isnan(confidence_of(n, k))


def test_the_interval_lies_between_order_statistics_and_covers_the_median_of_any_distribution():
    values = np.array([[3.0, -1.0, 8.0, 0.5, 2.0, 9.0], [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]])
    low, high = interval_of_median(values, confidence=0.97)  # of six, even the extremes are only 96.9 % sure
    assert (low.tolist(), high.tolist()) == ([-1.0, 1.0], [9.0, 6.0])
    # Of nine, the extremes enclose the median in 99.61 %, the second ones in 96.09 %; between them as 8 s / (1 + 7 s).
    share = (255 / 256 - 0.97) / (9 / 256)
    inwards = 8 * share / (1 + 7 * share)
    low, high = interval_of_median(np.arange(9.0)[None] ** 2, confidence=0.97)
    assert (low[0], high[0]) == pytest.approx((inwards, 64 - 15 * inwards))
    generator = np.random.default_rng(0)
    for drawn in (
        generator.standard_cauchy((4000, 9)),
        np.where(generator.random((4000, 9)) < 0.1, 50, 1) * generator.normal(size=(4000, 9)),
    ):
        low, high = interval_of_median(drawn, confidence=0.97)
        assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.97, abs=0.01)


def test_value_interval_and_p_are_of_the_runs_own_correlations_at_the_same_points():
    x, y = series(6, 10)
    x[2, 4] = np.nan
    kept = np.where(np.isnan(x), np.nan, y)
    matrix = run_correlations(deviations(x), deviations(kept))
    r = np.tanh(own(matrix))
    row = estimate(panel(x, y), ADJUSTED)
    assert row.value == pytest.approx(np.tanh(np.median(np.arctanh(r))))
    assert (row.ci_low, row.ci_high) == pytest.approx((r.min(), r.max()))
    assert row.p == pytest.approx(float(permutation_p([[matrix]])))
    assert (row.n_runs, row.n_points) == (6, 59)
    assert (row.interval, row.test, row.note) == ("order statistics over runs", "seed permutation, studentised", "")


@pytest.mark.parametrize(
    ("n_runs", "has_p", "has_interval"), [(1, False, False), (3, False, False), (4, True, False), (6, True, True)]
)
def test_few_runs_have_a_value_and_the_reason_for_what_is_missing(n_runs, has_p, has_interval):
    row = estimate(panel(*series(n_runs, 10)), ADJUSTED if n_runs > 1 else STATISTICS["within_run"])
    assert np.isfinite(row.value)
    assert np.isfinite(row.p) == has_p
    assert np.isfinite(row.ci_low) == has_interval
    assert (f"no interval over {n_runs} run{'s' * (n_runs > 1)}; it takes 6" in row.note) != has_interval
    if n_runs == 3:
        assert "no p from 3 runs: it could not be less than 0.17" in row.note


def test_only_what_is_tested_has_a_p():
    x, y = series(6, 10)
    assert {name for name, entry in STATISTICS.items() if np.isfinite(estimate(panel(x, y), entry).p)} == {
        "step_adjusted",
        "aligned",
        "retimed",
        "conditional",
    }


def test_missing_steps_cost_a_study_neither_its_p_nor_other_runs_their_points():
    x, y = series(6, 12, relation=0.9, seed=5)
    x[np.arange(6), [0, 3, 5, 7, 9, 11]] = np.nan  # only half of the steps are in every run
    row = estimate(panel(x, y), ADJUSTED)
    assert row.n_points == 66
    assert row.p <= 0.05
    assert row.value > 0.5


@pytest.mark.parametrize("n_common", [0, 1])
def test_runs_that_share_one_step_or_none_are_no_crash(n_common):
    """With one common step of four runs the whole table used to fail."""
    x, y = series(4, 9)
    x[[0, 2], n_common:5] = np.nan
    x[[1, 3], 5:] = np.nan
    if n_common:
        assert np.isfinite(x).all(axis=0).sum() == n_common
    for statistic in STATISTICS.values():
        row = estimate(panel(x, y), statistic)
        assert np.isfinite(row.value) or row.note


def test_a_constant_run_is_left_out():
    x, y = series(5, 10)
    x[3] = 0.1 + 0.2
    row = estimate(panel(x, y), STATISTICS["within_run"])
    assert row.n_runs == 4
    assert row.n_points == 40
    assert row.value == pytest.approx(
        estimate(panel(np.delete(x, 3, 0), np.delete(y, 3, 0)), STATISTICS["within_run"]).value
    )


@pytest.mark.parametrize("n_runs", [0, 1, 2, 4])
@pytest.mark.parametrize("n_steps", [0, 1, 3, 4])
def test_any_size_gives_a_row_with_a_value_or_a_reason(n_runs, n_steps):
    x, y = (values[:, :n_steps] for values in series(n_runs, 5))
    for statistic in STATISTICS.values():
        row = estimate(panel(x, y, main=learned(n_runs, 5)[:, :n_steps]), statistic)
        assert np.isfinite(row.value) or row.note
        if n_steps < 4:
            assert np.isnan(row.value)
            assert "usable" in row.note or "crossed" in row.note or "not known" in row.note


def test_reasons_name_what_is_lacking():
    x, y = series(4, 8)
    few = estimate(panel(np.where(np.arange(8) < 3, x, np.nan), y), ADJUSTED)
    assert few.note == "no run has 4 usable checkpoints (the most is 3)"
    flat = estimate(panel(x, np.full_like(y, 0.3)), ADJUSTED)
    assert flat.note == "overlap or transfer does not vary within any run"


def test_several_groups_are_one_sample_of_runs_and_small_ones_have_no_part():
    made = [panel(*series(n, 10, seed=n, relation=0.7)) for n in (3, 4, 1)]
    row = combined([[made[0]], [made[1]], [made[2]]], ADJUSTED)
    z = np.concatenate([own(run_correlations(deviations(one.overlap), deviations(one.transfer))) for one in made[:2]])
    assert row.value == pytest.approx(np.tanh(np.median(z)))
    assert (row.n_runs, row.n_points) == (7, 70)
    assert row.ci_low == pytest.approx(np.tanh(float(interval_of_median(z, confidence=CONFIDENCE)[0])))
    assert row.p < 1 / 24  # less than four runs alone can have


def test_a_run_that_has_too_few_points_in_one_twin_is_left_out_of_both():
    first, second = (series(4, 10, seed=seed) for seed in (1, 2))
    second[0][2, 3:] = np.nan
    row = combined([[panel(*first), panel(*second)]], ADJUSTED)
    assert row.n_runs == 6
    assert np.isnan(row.p)  # three seeds, permuted together
    assert "no p from 3 runs" in row.note


def test_the_interval_over_runs_covers_where_the_one_over_checkpoints_does_not():
    generator = np.random.default_rng(0)
    x, y = (series_ := np.cumsum(generator.normal(size=(2, 400, 6, 20)), axis=-1))
    z = own(run_correlations(x, y))
    low, high = interval_of_median(z, confidence=CONFIDENCE)
    assert 0.92 <= np.mean((low <= 0) & (high >= 0)) <= 0.99
    flat = series_.reshape(2, 400, -1)
    naive = stats.pearsonr(flat[0], flat[1], axis=-1).confidence_interval(0.95)
    assert np.mean((naive.low <= 0) & (naive.high >= 0)) < 0.6
