"""Four verdicts from tests that must agree: worked cases, and what each of the tests is there for."""

from dataclasses import replace

import numpy as np
import pytest
from checkpoint_series import learned, panel, series

from headreuse.correlation.estimate import Estimate
from headreuse.correlation.table import verdict_of
from headreuse.correlation.verdict import FOUND, NOT_FOUND, NOT_TESTABLE, PARTS, PROGRESS, RETIMED, verdict


def parts(*values_and_p: tuple[float, float]) -> dict[str, Estimate]:
    found = zip(PARTS, values_and_p, strict=True)
    return {name: Estimate(name, value, p=p, n_runs=5, n_points=50 - i) for i, (name, (value, p)) in enumerate(found)}


@pytest.mark.parametrize(
    ("given", "expected", "value", "p"),
    [
        (((-0.5, 0.01), (-0.4, 0.03), (-0.6, 0.02)), FOUND, -0.4, 0.03),
        (((-0.5, 0.01), (-0.4, 0.06), (-0.6, 0.02)), PROGRESS, -0.4, 0.06),
        (((-0.5, 0.05), (-0.4, 0.60), (-0.6, 0.02)), PROGRESS, -0.4, 0.6),
        (((-0.5, 0.01), (0.4, 0.01), (-0.6, 0.01)), PROGRESS, -0.5, 1.0),
        (((-0.5, 0.06), (-0.4, 0.01), (-0.6, 0.01)), NOT_FOUND, -0.5, 0.06),
        (((0.5, 0.06), (-0.4, 0.01), (-0.6, 0.01)), NOT_FOUND, 0.5, 1.0),
        (((-0.5, 0.9), (-0.4, 0.2), (-0.6, 0.2)), NOT_FOUND, -0.5, 0.9),
    ],
)
def test_the_verdict_is_that_of_the_weakest_of_three_tests_that_agree(given, expected, value, p):
    row = verdict(parts(*given), -1)
    assert row.verdict == expected
    assert row.value == value
    assert row.p == pytest.approx(p)
    weakest = next(name for name, (v, _) in zip(PARTS, given, strict=True) if v == value)
    assert row.note == f"the weakest is {weakest}"
    assert row.n_points == 50 - PARTS.index(weakest)
    assert ("differ in sign" in row.test) == (len({v > 0 for v, _ in given}) > 1)


@pytest.mark.parametrize(
    ("sign_of_reuse", "value", "direction"),
    [(-1, -0.5, "reuse"), (-1, 0.5, "opposite"), (1, 0.5, "reuse"), (1, -0.5, "opposite")],
)
def test_the_direction_is_that_of_reuse_or_the_opposite(sign_of_reuse, value, direction):
    row = verdict(parts(*[(value, 0.001)] * 3), sign_of_reuse)
    assert (row.verdict, row.direction, row.value) == (FOUND, direction, value)
    untested = verdict(parts((value, np.nan), (value, 0.001), (value, 0.001)), sign_of_reuse)
    assert (untested.verdict, untested.direction) == (NOT_TESTABLE, direction)
    assert np.isnan([untested.value, untested.p]).all()


def test_under_progress_the_direction_is_that_at_the_same_step():
    row = verdict(parts((-0.8, 0.001), (0.1, 0.9), (0.0, 0.8)), -1)
    assert (row.verdict, row.value, row.direction) == (PROGRESS, 0.1, "reuse")


def test_from_eight_runs_on_a_fourth_test_must_agree():
    three = parts((-0.5, 0.01), (-0.4, 0.03), (-0.6, 0.02))
    fourth = {RETIMED: Estimate(RETIMED, -0.3, p=0.04, n_runs=8)}
    assert verdict(three | fourth, -1).p == 0.03  # of five runs
    eight = {name: replace(part, n_runs=8) for name, part in three.items()}
    row = verdict(eight | fourth, -1)
    assert (row.verdict, row.value, row.p, row.test) == (FOUND, -0.3, 0.04, "the largest p of 4 tests")
    assert verdict(eight | {RETIMED: replace(fourth[RETIMED], p=0.06)}, -1).verdict == PROGRESS
    assert verdict(eight | {RETIMED: replace(fourth[RETIMED], value=0.3)}, -1).verdict == PROGRESS


def test_a_similarity_should_fall_with_the_gap_and_a_distance_rise():
    x, y = series(2, 6)
    signs = {
        (metric, transfer): panel(x, y, metric=metric, transfer=transfer).sign_of_reuse
        for metric in ("cosine", "ablation_map_difference", "main_accuracy", "training_loss")
        for transfer in ("gap", "transfer_fraction")
    }
    assert [signs[metric, "gap"] for metric in ("cosine", "main_accuracy")] == [-1, -1]
    assert [signs[metric, "gap"] for metric in ("ablation_map_difference", "training_loss")] == [1, 1]
    assert all(signs[metric, "transfer_fraction"] == -sign for (metric, t), sign in signs.items() if t == "gap")


def test_too_few_seeds_are_told_with_what_is_lacking():
    row = verdict_of(panel(*series(3, 10)))
    assert row.verdict == NOT_TESTABLE
    assert row.note.startswith("step_adjusted: no interval over 3 runs; it takes 6; no p from 3 runs")
    unclocked = verdict_of(panel(*series(5, 10), main=np.full((5, 10), 0.9)))
    assert unclocked.verdict == NOT_TESTABLE
    assert unclocked.note.startswith("aligned: no level of main's accuracy is crossed")


def test_a_relation_beyond_progress_is_found_and_reversed_seeds_are_the_opposite_of_reuse():
    x, y = series(6, 16, relation=0.95, trend=2)
    row = verdict_of(panel(x, y))
    assert (row.verdict, row.direction) == (FOUND, "opposite")  # a cosine that rises with the gap
    assert row.p <= 0.05
    mirrored = verdict_of(panel(-x, y))
    assert (mirrored.verdict, mirrored.direction) == (FOUND, "reuse")


def test_seeds_that_learn_faster_are_called_progress():
    late = np.array([-0.4, -0.3, -0.15, -0.05, 0.1, 0.2, 0.3, 0.5])
    main = learned(8, 20, late)
    noise = 0.03 * np.random.default_rng(0).normal(size=(2, 8, 20))
    row = verdict_of(panel(main + noise[0], noise[1] - main, main=main))
    assert (row.verdict, row.direction) == (PROGRESS, "reuse")
    assert row.p > 0.05
