"""Models in which the truth is set by hand: as two tasks share more heads, every measure of overlap says so."""

import numpy as np
import pytest

from headreuse.interventions.head_sets import other_sets_like, set_ablation
from headreuse.overlap import SetAblations, functional_overlap, map_metrics
from headreuse.records import Head
from headreuse.scores import mean_ablation

SHARING = (0.0, 0.2, 0.5, 0.8, 1.0)
N_HEADS = 10


@pytest.fixture(scope="module")
def measured(planted):
    """Maps of tasks A and B, and what B loses without A's top heads, its own and random ones, for each sharing."""
    found = {}
    for sharing in SHARING:
        truth = planted(sharing)
        generator = np.random.default_rng(7)
        prompts = {task: truth.prompts(task, 150, generator) for task in ("A", "B")}
        maps = {task: mean_ablation(truth.model, prompts[task]).effect("exact_match") for task in prompts}
        tops = {task: top(effects) for task, effects in maps.items()}
        sets = [tops["A"], tops["B"], *other_sets_like(tops["A"], 8, 19, generator)]
        lost = set_ablation(truth.model, prompts["B"], sets).effects["exact_match"]
        found[sharing] = maps, SetAblations("A", "B", "exact_match", N_HEADS, lost[0], lost[1], lost[2:])
    return found


def top(effects: np.ndarray) -> list[Head]:
    best = np.argsort(effects, axis=None)[::-1][:N_HEADS]
    return [Head(*map(int, np.unravel_index(place, effects.shape))) for place in best]


@pytest.mark.parametrize("name", sorted(map_metrics()))
def test_every_similarity_increases_with_true_sharing_and_the_difference_decreases(measured, name):
    metric = map_metrics()[name]
    values = [float(metric(maps["A"], maps["B"], k=N_HEADS)) for maps, _ in measured.values()]
    steps = np.diff(values)
    assert (steps < 0).all() if metric.distance else (steps > 0).all()
    assert values[-1] == pytest.approx(0.0 if metric.distance else 1.0, abs=0.1)


@pytest.mark.parametrize("sharing", SHARING)
def test_functional_overlap_recovers_true_sharing_within_its_interval(measured, sharing):
    found = functional_overlap(measured[sharing][1])
    assert found.usable
    if 0 < sharing < 1:  # at the ends every prompt loses the same, and there is no interval
        assert found.ci_low <= sharing <= found.ci_high
    assert (found.p_chance <= 0.05) == (sharing >= 0.8)
