"""Prompts left out, intervals, noise floor and ceiling: by arithmetic and by simulation.

Covers `overlap/resampling.py` and `overlap/intervals.py`.
"""

import numpy as np
import pytest
from head_maps import scores
from scipy import stats

from headreuse.overlap import (
    OVERLAP_METRICS,
    ComparisonSettings,
    compare,
)
from headreuse.overlap.intervals import interval
from headreuse.overlap.resampling import draw_weights, resample


def test_maps_without_a_group_and_of_halves_are_means_over_the_other_examples():
    generator = np.random.default_rng(0)
    effects = generator.normal(size=(2, 3, 31))
    weights = draw_weights(31, generator, n_splits=4)
    maps_ = resample(effects, weights)
    np.testing.assert_allclose(maps_.point, effects.mean(-1))
    assert maps_.n_moved == 31
    kept = weights.without > 0
    assert (kept.sum(axis=0) == 30).all(), "each example is left out once"
    for i, row in enumerate(kept):
        np.testing.assert_allclose(maps_.without[i], effects[..., row].mean(-1).ravel(), atol=1e-6)
    halves = (weights.first_half > 0).sum(1), (weights.second_half > 0).sum(1)
    assert (halves[0] == 15).all()
    assert (halves[1] == 16).all()
    assert not ((weights.first_half > 0) & (weights.second_half > 0)).any()
    np.testing.assert_allclose(
        (maps_.first_half * 15 + maps_.second_half * 16) / 31, np.tile(maps_.point.ravel(), (4, 1)), atol=1e-6
    )


def test_the_prompts_that_the_strongest_head_moves_are_counted():
    effects = np.zeros((2, 2, 40))
    effects[0, 1, :9] = 1
    effects[1, 0, :7] = -3  # the strongest, though it harms
    assert resample(effects, draw_weights(40, np.random.default_rng(0), n_splits=1)).n_moved == 7


def test_of_many_examples_each_group_is_left_out_once_and_all_are_as_large():
    kept = draw_weights(256, np.random.default_rng(0), n_splits=1).without > 0
    assert kept.shape == (32, 256)
    assert (kept.sum(axis=0) == 31).all()
    assert (kept.sum(axis=1) == 248).all()


def test_the_interval_is_the_textbooks_on_fishers_scale():
    """Where each prompt is a group, the jackknife of a mean is the t interval."""
    x = np.random.default_rng(0).gamma(2.0, size=32) / 10
    without = np.tanh((x.sum() - x) / 31)
    found = interval(OVERLAP_METRICS["cosine"], np.tanh(x.mean()), without, self_likeness=0.9, n_moved=32)
    judge = stats.ttest_1samp(x, 0).confidence_interval()
    assert np.arctanh([found.low, found.high]) == pytest.approx([judge.low, judge.high])


@pytest.mark.parametrize(
    ("name", "value", "last", "n_groups", "self_likeness", "n_moved", "reason"),
    [
        ("top_k_jaccard", 0.5, 0.5, 32, 0.9, 64, "none holds for top_k_jaccard in simulation"),
        ("spearman", 0.5, 0.5, 32, 0.9, 64, "none holds for spearman in simulation"),
        ("cosine", 0.5, 0.5, 31, 0.9, 64, "it takes at least 32 prompts"),
        ("cosine", 0.5, 0.5, 32, 0.9, 19, "a task's strongest head changes only 19 prompts, fewer than 20"),
        ("cosine", 0.5, 0.5, 32, 0.79, 64, "halves of a task's prompts give maps with cosine 0.79, below 0.8"),
        ("cosine", 0.5, 0.5, 32, np.nan, 64, "halves of a task's prompts give maps with cosine nan, below 0.8"),
        ("cosine", 1.0, 0.5, 32, 0.9, 64, "the value lies at the end of its range"),
        ("cosine", 0.5, 1.0, 32, 0.9, 64, "the value lies at the end of its range"),
        ("absolute_cosine", 0.5, 0.5, 32, 0.9, 64, "none holds for absolute_cosine in simulation"),
        ("ablation_map_difference", 0.5, 0.5, 32, 0.1, 64, "none holds for ablation_map_difference in simulation"),
        ("cosine", 0.5, 0.5, 32, 0.81, 20, ""),
    ],
)
def test_an_interval_that_is_not_known_to_hold_is_not_given_and_its_row_says_why(
    name, value, last, n_groups, self_likeness, n_moved, reason
):
    without = np.linspace(0.3, last, n_groups)
    found = interval(OVERLAP_METRICS[name], value, without, self_likeness=self_likeness, n_moved=n_moved)
    assert np.isnan([found.low, found.high]).all() == bool(reason)
    assert found.note.startswith(f"no interval: {reason}" if reason else "")
    assert bool(found.note) == bool(reason)


def test_the_interval_holds_the_average_value_at_about_the_stated_rate():
    truth = np.random.default_rng(5).gamma(0.5, size=(2, 2, 8))
    settings_ = ComparisonSettings(metrics=("cosine",), n_permutations=20, n_splits=2)
    rows = []
    for seed in range(100):
        a, b = scores(truth[0], noise=1.0, seed=2 * seed), scores(truth[1], noise=1.0, seed=2 * seed + 1)
        rows.append(compare(a, b, settings=settings_, generator=np.random.default_rng(seed)).iloc[0])
    average = np.mean([row["value"] for row in rows])
    assert np.isfinite([row["ci_low"] for row in rows]).mean() > 0.9
    assert 0.88 <= np.mean([row["ci_low"] <= average <= row["ci_high"] for row in rows]) <= 1.0


def test_noise_floor_is_what_two_samples_of_one_truth_show():
    truth = np.random.default_rng(6).gamma(0.5, size=(2, 16))
    rows = []
    for seed in range(30):
        a, b = (scores(truth, noise=1.0, seed=2 * seed + i) for i in range(2))
        settings_ = ComparisonSettings(metrics=("ablation_map_difference",), n_permutations=20)
        rows.append(compare(a, b, settings=settings_, generator=np.random.default_rng(seed)).iloc[0])
    floor, value = (np.mean([row[name] for row in rows]) for name in ("noise_floor", "value"))
    assert floor == pytest.approx(value, rel=0.05)


def test_disattenuation_undoes_what_noise_takes():
    generator = np.random.default_rng(7)
    shared = generator.normal(size=(4, 16))
    a, b = shared + 0.6 * generator.normal(size=shared.shape), shared + 0.6 * generator.normal(size=shared.shape)
    truth = OVERLAP_METRICS["cosine"](a, b)
    settings_ = ComparisonSettings(metrics=("cosine",), n_permutations=20)
    rows = [
        compare(
            scores(a, noise=8.0, seed=2 * seed),
            scores(b, noise=8.0, seed=2 * seed + 1),
            settings=settings_,
            generator=np.random.default_rng(seed),
        ).iloc[0]
        for seed in range(30)
    ]
    assert np.mean([row["value"] for row in rows]) < 0.85 * truth
    assert np.mean([row["disattenuated"] for row in rows]) == pytest.approx(truth, rel=0.05)
