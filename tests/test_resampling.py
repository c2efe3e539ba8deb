"""Resampled prompts, intervals, noise floor and ceiling: by arithmetic and by simulation.

Covers `overlap/resampling.py`.
"""

import numpy as np
import pytest
from head_maps import scores

from headreuse.overlap import (
    OVERLAP_METRICS,
    ComparisonSettings,
    compare,
)
from headreuse.overlap.resampling import draw_weights, resample


def test_resamples_are_means_over_drawn_examples():
    generator = np.random.default_rng(0)
    effects = generator.normal(size=(2, 3, 31))
    weights = draw_weights(31, generator, n_resamples=7, n_splits=4)
    maps_ = resample(effects, weights)
    np.testing.assert_allclose(maps_.point, effects.mean(-1))
    for i, row in enumerate(weights.bootstrap):
        drawn = np.repeat(np.arange(31), np.round(row * 31).astype(int))
        assert len(drawn) == 31
        np.testing.assert_allclose(maps_.bootstrap[i], effects[..., drawn].mean(-1).ravel(), atol=1e-6)
    halves = (weights.first_half > 0).sum(1), (weights.second_half > 0).sum(1)
    assert (halves[0] == 15).all()
    assert (halves[1] == 16).all()
    assert not ((weights.first_half > 0) & (weights.second_half > 0)).any()
    np.testing.assert_allclose(
        (maps_.first_half * 15 + maps_.second_half * 16) / 31, np.tile(maps_.point.ravel(), (4, 1)), atol=1e-6
    )


def test_the_interval_holds_the_average_value_at_about_the_stated_rate():
    truth = np.random.default_rng(5).gamma(0.5, size=(2, 2, 8))
    names = ("ablation_map_difference", "cosine")
    settings_ = ComparisonSettings(metrics=names, n_resamples=200, n_permutations=20, n_splits=2)
    found = []
    for seed in range(100):
        a, b = scores(truth[0], noise=1.0, seed=2 * seed), scores(truth[1], noise=1.0, seed=2 * seed + 1)
        found.append(compare(a, b, settings=settings_, generator=np.random.default_rng(seed)))
    for name in names:
        rows = [frame[frame["metric"] == name].iloc[0] for frame in found]
        average = np.mean([row["value"] for row in rows])
        assert 0.88 <= np.mean([row["ci_low"] <= average <= row["ci_high"] for row in rows]) <= 1.0


def test_noise_floor_is_what_two_samples_of_one_truth_show():
    truth = np.random.default_rng(6).gamma(0.5, size=(2, 16))
    rows = []
    for seed in range(30):
        a, b = (scores(truth, noise=1.0, seed=2 * seed + i) for i in range(2))
        settings_ = ComparisonSettings(metrics=("ablation_map_difference",), n_resamples=20, n_permutations=20)
        rows.append(compare(a, b, settings=settings_, generator=np.random.default_rng(seed)).iloc[0])
    floor, value = (np.mean([row[name] for row in rows]) for name in ("noise_floor", "value"))
    assert floor == pytest.approx(value, rel=0.05)


def test_disattenuation_undoes_what_noise_takes():
    generator = np.random.default_rng(7)
    shared = generator.normal(size=(4, 16))
    a, b = shared + 0.6 * generator.normal(size=shared.shape), shared + 0.6 * generator.normal(size=shared.shape)
    truth = OVERLAP_METRICS["cosine"](a, b)
    settings_ = ComparisonSettings(metrics=("cosine",), n_resamples=20, n_permutations=20)
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
