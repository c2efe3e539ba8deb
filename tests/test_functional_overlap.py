"""Functional overlap against worked arithmetic and by simulation.

Covers `overlap/functional.py` and `figures/specificity.py: specificity_over_seeds`.
"""

import numpy as np
import pandas as pd
import pytest

from headreuse.figures.specificity import specificity_over_seeds
from headreuse.overlap import (
    SetAblations,
    functional_overlap,
    functional_table,
)


def ablations(shared: float, *, n=400, n_sets=39, seed=0, source="copy") -> SetAblations:
    """A target that loses every answer without its own heads; a share of them is the source's."""
    generator = np.random.default_rng(seed)
    random = generator.random((n_sets, n)) < 0.25
    loss = generator.random(n) < shared
    return SetAblations(source, "reverse", "exact_match", 4, loss * 1.0, np.ones(n), random * 1.0)


@pytest.mark.parametrize(("shared", "p"), [(0.0, 1.0), (0.5, 1 / 40), (1.0, 1 / 40)])
def test_functional_overlap_is_the_share_of_the_loss(shared, p):
    found = functional_overlap(ablations(shared), np.random.default_rng(0))
    assert found.ci_low <= shared <= found.ci_high
    assert found.value == pytest.approx(shared, abs=0.06)
    assert found.chance == pytest.approx(0.25, abs=0.02)
    assert found.p_chance == p


def test_functional_overlap_is_relative_to_the_loss_without_the_targets_own_heads():
    lost = [np.arange(100) < n for n in (30, 60, *[15] * 20)]
    loss, self_loss, *random = (one.astype(float) for one in lost)
    found = functional_overlap(
        SetAblations("a", "b", "log_prob", 3, loss, self_loss, np.stack(random)), np.random.default_rng(0)
    )
    assert (found.value, found.chance) == pytest.approx((0.5, 0.25))
    assert (found.loss, found.loss_own, found.loss_random) == pytest.approx((0.3, 0.6, 0.15))
    assert found.p_chance == pytest.approx(1 / 21)


def test_functional_overlap_covers_at_the_stated_rate_and_chance_is_not_significant():
    found = [functional_overlap(ablations(0.25, n=200, seed=seed), np.random.default_rng(seed)) for seed in range(200)]
    assert 0.91 <= np.mean([entry.ci_low <= 0.25 <= entry.ci_high for entry in found]) <= 0.99
    assert np.mean([entry.p_chance <= 0.05 for entry in found]) <= 0.09


def test_a_target_whose_own_heads_cost_nothing_has_no_functional_overlap():
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(42, 100))
    found = functional_overlap(SetAblations("a", "b", "log_prob", 3, noise[0], noise[1], noise[2:]), generator)
    assert np.isnan(found.value)
    assert not found.usable
    assert found.reason == "without its own top heads b loses nothing beyond noise"


def test_specificity_is_the_median_over_seeds_of_each_pair():
    table = functional_table([ablations(0.5), ablations(0.0, seed=1, source="mqar")], np.random.default_rng(0))
    runs = [table.assign(group=kind, kind=kind, seed=seed) for kind in ("related", "control") for seed in (0, 1)]
    rows = specificity_over_seeds(pd.concat(runs)).set_index(["group", "source", "measure"])
    assert (rows["n_seeds"] == 2).all()
    assert rows.loc[("related", "copy", "value"), "median"] == table["value"][0]
    assert rows.loc[("control", "mqar", "chance"), "median"] == table["chance"][1]
