"""Models in which several heads can each do a task alone: single-head ablation is blind there, values over subsets not.

Tasks A and B have the same two heads, task C three others, task D one of C's and another.
"""

import numpy as np
import pytest
from planting import plant, plant_redundant

from headreuse.overlap import map_metrics
from headreuse.records import Head
from headreuse.scores import banzhaf, mean_ablation, shapley, synergy

DOERS = {
    "A": (Head(0, 1), Head(1, 2)),
    "B": (Head(0, 1), Head(1, 2)),
    "C": (Head(0, 3), Head(1, 0), Head(1, 3)),
    "D": (Head(0, 3), Head(1, 1)),
}
SHAPE = (2, 4)


@pytest.fixture(scope="module")
def redundant():
    """The model, and 14 prompts of each task."""
    truth = plant_redundant(DOERS, n_layers=2, n_heads=4)
    assert truth.heads == {task: set(heads) for task, heads in DOERS.items()}
    return truth.model, {task: truth.prompts(task, 14, np.random.default_rng(0)) for task in DOERS}


@pytest.fixture(scope="module")
def maps(redundant):
    """By score and task: the effects on exact match."""
    model, prompts = redundant
    scores = (mean_ablation, banzhaf, shapley)
    return {score: {task: score(model, prompts[task]).effect("exact_match") for task in DOERS} for score in scores}


def map_of(task, each):
    """`each` at the task's heads, 0 elsewhere."""
    expected = np.zeros(SHAPE)
    for head in DOERS[task]:
        expected[head.layer, head.head_index] = each
    return expected


def cosine(maps, a, b):
    return float(map_metrics()["cosine"](maps[a], maps[b], k=2))


def test_single_head_ablation_sees_nothing(redundant, maps):
    model, prompts = redundant
    for task in DOERS:
        scores = mean_ablation(model, prompts[task])
        assert scores.baseline["exact_match"].min() == 1.0
        np.testing.assert_array_equal(maps[mean_ablation][task], 0.0)
    # Two tasks with the same heads, and two with none in common, cannot be told apart.
    assert np.isnan([cosine(maps[mean_ablation], "A", "B"), cosine(maps[mean_ablation], "A", "C")]).all()


@pytest.mark.parametrize("task", DOERS)
def test_banzhaf_and_shapley_values_give_each_head_its_due(task, maps):
    n_doers = len(DOERS[task])
    # A head decides where all others that can do the task are gone: each of them is with probability a half.
    np.testing.assert_allclose(maps[banzhaf][task], map_of(task, 0.5 ** (n_doers - 1)), atol=1e-9)
    np.testing.assert_allclose(maps[shapley][task], map_of(task, 1 / n_doers), atol=1e-9)


@pytest.mark.parametrize("task", DOERS)
def test_drawn_subsets_find_the_heads_too(task, redundant):
    model, prompts = redundant
    for score in (banzhaf, shapley):
        scores = score(model, prompts[task], n_subsets=100)
        assert scores.top(len(DOERS[task]), "exact_match") == set(DOERS[task])


@pytest.mark.parametrize("task", DOERS)
def test_synergy_says_who_backs_up_whom(task, redundant):
    model, prompts = redundant
    scores = synergy(model, prompts[task])
    doers = [scores.heads.index(head) for head in DOERS[task]]
    expected = np.zeros((8, 8))
    # Both gone costs 1 where the third, if there is one, is gone as well; either alone costs nothing then.
    expected[np.ix_(doers, doers)] = 0.5 ** (len(doers) - 2)
    np.fill_diagonal(expected, np.nan)
    np.testing.assert_allclose(scores.values["exact_match"], expected, atol=1e-9)


def test_heads_that_do_different_things_have_no_synergy(generator):
    truth = plant({"A": (Head(0, 1), Head(0, 1), Head(1, 2), Head(1, 2))}, n_layers=2, n_heads=4)
    prompts = truth.prompts("A", 8, generator)
    assert banzhaf(truth.model, prompts).top(2, "exact_match") == truth.heads["A"]
    scores = synergy(truth.model, prompts)
    np.testing.assert_allclose(np.nan_to_num(scores.values["exact_match"]), 0.0, atol=1e-9)


@pytest.mark.parametrize(("a", "b", "n_shared"), [("A", "B", 2), ("A", "C", 0), ("C", "D", 1)])
def test_overlap_of_maps_over_subsets_is_that_of_the_heads(a, b, n_shared, maps):
    expected = n_shared / np.sqrt(len(DOERS[a]) * len(DOERS[b]))
    for score in (banzhaf, shapley):
        assert cosine(maps[score], a, b) == pytest.approx(expected, abs=1e-6)
