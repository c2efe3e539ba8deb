"""How far each run has learned: crossings by hand, and planted clocks that are found again."""

import numpy as np
import pytest
from checkpoint_series import learned, steps_of

from headreuse.correlation import clock, crossings
from headreuse.correlation.clocks import LEVELS, at_progress

STEPS = np.array([0, 9, 99, 999])
"""Their log1p is 0, 1, 2 and 3 times log 10."""
TEN = np.log(10)


def test_crossings_by_hand():
    rising = np.array([[0.1, 0.3, 0.5, 0.9]])
    expected = [0.5 * TEN, 1.25 * TEN, 2 * TEN, (2 + 0.15 / 0.4) * TEN, (2 + 0.3 / 0.4) * TEN]
    assert crossings(rising, STEPS)[0] == pytest.approx(expected)


def test_what_falls_back_is_levelled_and_what_is_not_seen_is_unknown():
    # Isotonic regression makes 0.5 and 0.3 both 0.4, so that 0.5 is crossed a fifth of the way to 0.9.
    falls_back = crossings(np.array([[0.1, 0.5, 0.3, 0.9]]), STEPS)[0]
    assert falls_back[LEVELS.index(0.5)] == pytest.approx((2 + 0.1 / 0.5) * TEN)
    assert falls_back[LEVELS.index(0.2)] == pytest.approx((0.1 / 0.3) * TEN)
    never = crossings(np.array([[0.25, 0.3, 0.4, 0.6]]), STEPS)[0]
    assert np.isnan(never).tolist() == [True, False, False, True, True]  # before the first checkpoint; and never


def test_crossings_pass_over_missing_checkpoints():
    whole, holes = np.array([[0.0, 0.2, 0.6, 1.0]]), np.array([[0.0, np.nan, 0.6, 1.0]])
    found = crossings(holes, STEPS)[0]
    assert found[LEVELS.index(0.65)] == pytest.approx(crossings(whole, STEPS)[0][LEVELS.index(0.65)])
    assert found[LEVELS.index(0.5)] == pytest.approx(0.5 / 0.6 * 2 * TEN)
    assert np.isnan(crossings(np.full((2, 4), np.nan), STEPS)).all()


def test_planted_shifts_are_found_through_the_noise_of_256_examples():
    late = np.array([-0.3, -0.1, 0.0, 0.15, 0.25])
    accuracy = np.random.default_rng(0).binomial(256, learned(5, 30, late)) / 256
    found = clock(crossings(accuracy, steps_of(accuracy)))
    assert found.late == pytest.approx(late - late.mean(), abs=0.03)
    assert found.stretch == pytest.approx(np.ones(5), abs=0.1)
    assert found.spread == pytest.approx(np.std(late, ddof=1), abs=0.02)
    assert found.levels == LEVELS


def test_planted_stretches_are_found():
    log_steps = np.linspace(2, 8, 60)
    steps = np.round(np.expm1(log_steps)).astype(int)
    stretch = np.array([0.7, 1.0, 1.4])
    accuracy = 1 / (1 + np.exp(-2 * (np.log1p(steps) - 5) / stretch[:, None]))
    found = clock(crossings(accuracy, steps))
    assert found.form == "shift and scale"
    assert found.stretch / found.stretch[1] == pytest.approx(stretch, rel=0.03)
    assert found.late == pytest.approx(np.zeros(3), abs=0.02)


def test_stretches_that_foretell_no_level_better_are_not_used():
    noise = 0.1 * np.random.default_rng(1).normal(size=(4, 5))
    crossed = np.linspace(3, 3.2, 5) + np.array([[-0.2], [0.0], [0.1], [0.1]]) + noise
    found = clock(crossed)
    assert found.form == "shift"
    assert found.stretch.tolist() == [1.0] * 4
    assert found.late == pytest.approx(crossed.mean(1) - crossed.mean())


@pytest.mark.parametrize("second", [[5.3, 6.3, 7.3, 8.3, 9.3], [5.0, 7.0, 9.0, 11.0, 13.0]], ids=["shift", "scale"])
def test_runs_are_at_the_same_progress_where_they_cross_a_level(second):
    times = np.array([[5.0, 6.0, 7.0, 8.0, 9.0], second])
    found = clock(times)
    read = np.array([found.progress(np.expm1(times[run]).round().astype(int))[run] for run in range(2)])
    assert read[0] == pytest.approx(times.mean(0), abs=0.01)
    assert read[1] == pytest.approx(times.mean(0), abs=0.01)


def test_levels_that_one_run_does_not_cross_are_left_out():
    crossed = np.array([[1.0, 2.0, np.nan, np.nan, np.nan], [2.0, 2.5, 3.0, 4.0, 5.0]])
    found = clock(crossed)
    assert found.levels == LEVELS[:2]
    assert found.late == pytest.approx([-0.375, 0.375])
    crossed[0, :2] = np.nan
    assert clock(crossed) is None
    assert clock(np.empty((0, 5))) is None
    assert np.isnan(clock(np.ones((1, 5))).spread)


def test_at_progress_is_numpys_interpolation_and_nothing_beyond_the_ends():
    series = np.array([[1.0, 3.0, np.nan, 5.0], [np.nan, 2.0, np.nan, np.nan]])
    progress = np.array([[0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0]]) + 0.5
    grid = np.array([0.4, 0.5, 1.0, 2.5, 3.5, 3.6])
    expected = np.interp(grid, [0.5, 1.5, 3.5], [1.0, 3.0, 5.0])
    expected[[0, -1]] = np.nan
    found = at_progress(series, progress, grid)
    np.testing.assert_allclose(found[0], expected)
    assert np.isnan(found[1]).all()
