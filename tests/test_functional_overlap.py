"""Functional overlap against worked arithmetic and by simulation.

Covers `overlap/functional.py`, `overlap/ratio.py` and `figures/specificity.py: specificity_over_seeds`.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from headreuse.figures.specificity import specificity_over_seeds
from headreuse.overlap import (
    SetAblations,
    functional_overlap,
    functional_table,
)
from headreuse.overlap.ratio import paired_ratio


def ablations(shared: float, *, n=400, n_sets=39, seed=0, source="copy") -> SetAblations:
    """A target that loses every answer without its own heads; a share of them is the source's."""
    generator = np.random.default_rng(seed)
    random = generator.random((n_sets, n)) < 0.25
    loss = generator.random(n) < shared
    return SetAblations(source, "reverse", "exact_match", 4, loss * 1.0, np.ones(n), random * 1.0)


@pytest.mark.parametrize(("shared", "p"), [(0.0, 1.0), (0.5, 1 / 40), (1.0, 1 / 40)])
def test_functional_overlap_is_the_share_of_the_loss(shared, p):
    found = functional_overlap(ablations(shared))
    assert found.value == pytest.approx(shared, abs=0.06)
    assert found.chance == pytest.approx(0.25, abs=0.02)
    assert (found.p_chance, found.n_sets) == (p, 39)


def test_functional_overlap_is_relative_to_the_loss_without_the_targets_own_heads():
    lost = [np.arange(100) < n for n in (30, 60, *[15] * 20)]
    loss, self_loss, *random = (one.astype(float) for one in lost)
    found = functional_overlap(SetAblations("a", "b", "log_prob", 3, loss, self_loss, np.stack(random)))
    assert (found.value, found.chance) == pytest.approx((0.5, 0.25))
    assert (found.loss, found.loss_own, found.loss_random) == pytest.approx((0.3, 0.6, 0.15))
    assert found.p_chance == pytest.approx(1 / 21)


@pytest.mark.parametrize("shared", [0.06, 0.25])
def test_functional_overlap_covers_at_the_stated_rate_and_chance_is_not_significant(shared):
    """Also where few prompts lose anything: there an interval that is as wide on both sides covers 88 %."""
    found = [functional_overlap(ablations(shared, n=200, seed=seed)) for seed in range(400)]
    assert 0.92 <= np.mean([entry.ci_low <= shared <= entry.ci_high for entry in found if not entry.note]) <= 0.99
    if shared == 0.25:
        assert np.mean([entry.p_chance <= 0.05 for entry in found]) <= 0.07


def test_an_interval_ends_where_a_t_test_would_tell_the_loss_from_that_share():
    whole = np.random.default_rng(0).gamma(2.0, size=60)
    apart = np.concatenate([np.linspace(0.1, 1, 30), -np.linspace(0.1, 1, 30)])  # not skewed
    found = paired_ratio(0.4 * whole + apart, whole)
    assert found.low < 0.4 < found.high
    for end in (found.low, found.high):
        assert stats.ttest_1samp(0.4 * whole + apart - end * whole, 0).pvalue == pytest.approx(0.05)


def test_where_few_prompts_lose_anything_the_interval_reaches_further_up():
    """10 of 50 prompts, each all of its 1: third moment 0.096, variance 8/49, t = 2.0096 (Johnson 1978)."""
    found = paired_ratio((np.arange(50) < 10).astype(float), np.ones(50))
    shift = 0.096 / (8 / 49) * (1 + 2 * 2.0096**2) / (6 * 50)
    assert (found.low + found.high) / 2 == pytest.approx(0.2 + shift, abs=1e-5)
    assert (found.high - found.low) / 2 == pytest.approx(2.0096 * np.sqrt(8 / 49 / 50), abs=1e-5)


@pytest.mark.parametrize(
    ("part", "whole", "reason"),
    [
        (np.arange(100) < 3, np.ones(100), "nearly all prompts lose the same share"),
        (np.arange(100) < 97, np.ones(100), "nearly all prompts lose the same share"),
        (np.ones(100), np.ones(100), "nearly all prompts lose the same share"),
        (np.arange(100) % 20 < 1, np.arange(100) < 14, "fewer than 15 prompts lose anything"),
        (np.arange(100) % 2, 3.0 * (np.arange(100) % 2) - 1.4, "barely above noise"),
    ],
)
def test_there_is_no_interval_where_too_few_prompts_tell_its_width(part, whole, reason):
    found = paired_ratio(part.astype(float), whole.astype(float))
    assert np.isnan(found.low)
    assert np.isnan(found.high)
    assert found.note.startswith("no interval: ")
    assert reason in found.note


def test_no_p_where_so_many_sets_cost_as_much_that_none_could_be_told_from_chance():
    random = np.repeat([[1.0], [0.0]], [3, 36], axis=0) * np.ones(50)
    found = functional_overlap(SetAblations("a", "b", "exact_match", 3, np.ones(50), np.ones(50), random))
    assert (found.n_sets, found.least_p) == (39, 4 / 40)
    assert np.isnan(found.p_chance)
    assert found.note.endswith("it could not be below 0.1")
    alone = functional_overlap(SetAblations("a", "b", "exact_match", 8, np.ones(50), np.ones(50), random[:0]))
    assert (alone.n_sets, alone.least_p) == (0, 1.0)
    assert np.isnan([alone.chance, alone.loss_random, alone.p_chance]).all()


def test_a_target_whose_own_heads_cost_nothing_has_no_functional_overlap():
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(42, 100))
    found = functional_overlap(SetAblations("a", "b", "log_prob", 3, noise[0], noise[1], noise[2:]))
    assert np.isnan([found.value, found.p_chance]).all()
    assert not found.usable
    assert found.reason == "without its own top heads b loses nothing beyond noise"


def test_specificity_is_the_median_over_seeds_of_each_pair():
    table = functional_table([ablations(0.5), ablations(0.0, seed=1, source="mqar")])
    runs = [table.assign(group=kind, kind=kind, seed=seed) for kind in ("related", "control") for seed in (0, 1)]
    rows = specificity_over_seeds(pd.concat(runs)).set_index(["group", "source", "measure"])
    assert (rows["n_seeds"] == 2).all()
    assert rows.loc[("related", "copy", "value"), "median"] == table["value"][0]
    assert rows.loc[("control", "mqar", "chance"), "median"] == table["chance"][1]
