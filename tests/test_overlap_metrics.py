"""Overlap metrics against slow loops, scipy and hand-worked sets; how one is added and named.

Covers `overlap/metrics.py`, `overlap/pairwise.py` and `overlap/registry.py`.
"""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from head_maps import group, heads, pattern, scores
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

import headreuse.overlap
from headreuse.correlation import correlation_table
from headreuse.correlation.panels import NEGATIVE_CONTROLS
from headreuse.errors import HeadreuseError
from headreuse.figures import overlap_matrices
from headreuse.figures.views import choices_of
from headreuse.overlap import (
    OVERLAP_METRICS,
    ComparisonSettings,
    attention_chance,
    map_metric,
    map_metrics,
    overlap_table,
    pattern_metric,
)
from headreuse.overlap.metrics import top_set

ALL = sorted(OVERLAP_METRICS)

OF_MAPS = sorted(map_metrics())

maps = arrays(float, (2, 4), elements=st.floats(-1, 1).map(lambda x: round(x, 3)))


def test_jaccard_by_hand():
    a = heads(4.0, 3.0, 2.0, 1.0)  # top 2: 0.0, 0.1
    b = heads(4.0, 1.0, 3.0, 2.0)  # top 2: 0.0, 1.0
    assert OVERLAP_METRICS["top_k_jaccard"](a, b, k=2) == pytest.approx(1 / 3)


def test_ties_across_the_border_leave_the_set_smaller():
    a = heads(4.0, 1.0, 1.0, 1.0)
    b = heads(4.0, 3.0, 1.0, 1.0)
    assert OVERLAP_METRICS["top_k_jaccard"](a, b, k=2) == pytest.approx(1 / 2)
    assert np.isnan(OVERLAP_METRICS["top_k_jaccard"](heads(0, 0, 0, 0), heads(0, 0, 0, 0), k=2))


@pytest.mark.parametrize("k", [1, 7, 50])
def test_top_sets_of_many_heads_are_those_of_a_sort(k):
    many = np.random.default_rng(0).normal(size=(20, 200))
    slow = np.zeros(many.shape, dtype=bool)
    for row, best in zip(slow, np.argsort(many, axis=-1)[:, -k:], strict=True):
        row[best] = True
    np.testing.assert_array_equal(top_set(many, k), slow)


def test_threshold_sets_by_hand():
    a = heads(1.0, 0.3, 0.2, -1.0)  # 0.0, 0.1
    b = heads(2.0, 0.1, 0.6, 0.5)  # 0.0, 1.0, 1.1
    assert OVERLAP_METRICS["threshold_jaccard"](a, b) == pytest.approx(1 / 4)
    assert OVERLAP_METRICS["threshold_overlap_coefficient"](a, b) == pytest.approx(1 / 2)
    assert OVERLAP_METRICS["threshold_containment"](a, b) == pytest.approx(1 / 2)
    assert OVERLAP_METRICS["threshold_containment"](b, a) == pytest.approx(1 / 3)
    assert OVERLAP_METRICS["absolute_threshold_jaccard"](a, b) == pytest.approx(2 / 4)


def test_weights_by_hand():
    a, b = heads(0.6, 0.4, 0.0, -0.5), heads(0.2, 0.2, 0.4, 0.2)
    assert OVERLAP_METRICS["weighted_jaccard"](a, b) == pytest.approx(0.4 / 1.6)
    assert OVERLAP_METRICS["mass_overlap"](a, b) == pytest.approx(0.2 + 0.2)
    assert OVERLAP_METRICS["absolute_mass_overlap"](a, b) == pytest.approx((0.2 + 0.2) + 0.2)


def test_difference_of_maps_is_the_mean_over_heads():
    assert OVERLAP_METRICS["ablation_map_difference"](heads(1, 0, 0, -1), heads(0, 0, 1, 1)) == 1.0


@settings(max_examples=30, deadline=None)
@given(maps, maps)
def test_rank_metrics_are_scipys(a, b):
    judges = {"spearman": stats.spearmanr, "kendall": stats.kendalltau, "weighted_tau": stats.weightedtau}
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return
    for name, judge in judges.items():
        assert OVERLAP_METRICS[name](a, b) == pytest.approx(judge(a.ravel(), b.ravel()).statistic, abs=1e-12)


@pytest.mark.parametrize("name", OF_MAPS)
@settings(max_examples=20, deadline=None)
@given(a=maps, b=maps, order=st.permutations(range(8)))
def test_every_metric_keeps_its_range_and_its_symmetry_and_does_not_see_the_order_of_heads(name, a, b, order):
    metric = OVERLAP_METRICS[name]
    value = metric(a, b)
    assert np.isnan(value) or metric.low - 1e-9 <= value <= metric.high + 1e-9
    if metric.symmetric:
        assert metric(b, a) == pytest.approx(value, nan_ok=True)
    moved = [values.ravel()[list(order)].reshape(2, 4) for values in (a, b)]
    assert metric(*moved) == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize("name", OF_MAPS)
def test_every_metric_finds_a_map_like_itself(name):
    metric = OVERLAP_METRICS[name]
    a = heads(0.9, -0.3, 0.2, 0.1, 0.5, 0.0, -0.8, 0.05)
    assert metric(a, a) == pytest.approx(0.0 if metric.distance else 1.0)


@pytest.mark.parametrize("name", ALL)
def test_every_metric_is_explained_and_a_distance_says_so_in_its_name(name):
    metric = OVERLAP_METRICS[name]
    assert metric.name == name
    assert metric.summary.endswith((".", ")"))
    assert ("difference" in name) == metric.distance
    assert metric.low < metric.high


@pytest.mark.parametrize("name", OF_MAPS)
def test_every_metric_broadcasts_over_leading_dimensions(name):
    a, b = np.random.default_rng(0).normal(size=(2, 3, 5, 2, 4))
    whole = OVERLAP_METRICS[name](a, b)
    assert whole.shape == (3, 5)
    for i, j in product(range(3), range(5)):
        assert whole[i, j] == pytest.approx(OVERLAP_METRICS[name](a[i, j], b[i, j]))


@pytest.mark.parametrize("name", OF_MAPS)
def test_every_scale_free_metric_ignores_scale(name):
    a, b = np.random.default_rng(1).normal(size=(2, 2, 4))
    metric = OVERLAP_METRICS[name]
    scaled = metric(a, 3 * b) == pytest.approx(metric(a, b))
    assert scaled != (name in ("ablation_map_difference", "weighted_jaccard", "absolute_weighted_jaccard"))


@pytest.mark.parametrize("name", [name for name in OF_MAPS if name.startswith("absolute_")])
def test_absolute_forms_see_only_the_size_of_effects(name):
    a, b = np.random.default_rng(2).normal(size=(2, 2, 4))
    assert OVERLAP_METRICS[name](a, b) == pytest.approx(OVERLAP_METRICS[name](-a, np.abs(b)))
    assert OVERLAP_METRICS[name](a, b) == pytest.approx(OVERLAP_METRICS[name.removeprefix("absolute_")](abs(a), abs(b)))


@pytest.mark.parametrize("name", [name for name in OF_MAPS if name != "ablation_map_difference"])
def test_what_a_zero_map_is_like_is_undefined(name):
    if name in ("threshold_containment", "absolute_threshold_containment", "absolute_top_k_jaccard", "top_k_jaccard"):
        assert np.isnan(OVERLAP_METRICS[name](np.zeros((2, 4)), np.zeros((2, 4))))
    elif "jaccard" not in name:
        assert np.isnan(OVERLAP_METRICS[name](np.zeros((2, 4)), np.ones((2, 4)) * np.arange(4)))


def test_a_metric_is_added_by_one_function_and_its_name_is_then_taken():
    def nothing(maps, _k):
        return maps

    with pytest.raises(ValueError, match="name 'cosine' is taken"):

        @map_metric(of=nothing)
        def cosine(a, b):
            """Taken."""

    with pytest.raises(LookupError, match="did you mean 'spearman'"):
        OVERLAP_METRICS["spaerman"]


def test_every_file_that_registers_a_metric_is_found_without_a_list():
    found = {metric.compare.__module__.rpartition(".")[2] for metric in map_metrics().values()}
    files = [
        path for path in Path(headreuse.overlap.__file__).parent.glob("*.py") if "\n@map_metric(" in path.read_text()
    ]
    assert found == {path.stem for path in files}


def test_an_added_metric_of_patterns_is_a_row_of_the_table_and_refuses_prompts_that_do_not_line_up():
    both = [pattern(np.full((2, 2, 3, 3), 1 / 3), task=task) for task in ("copy", "reverse")]
    with OVERLAP_METRICS.apart():

        @pattern_metric(chance=attention_chance, misalignment=lambda a, b: a.task * (a.task == "mqar"))
        def attention_likeness(a, b):
            """Likeness."""
            return 0.25

        names = ComparisonSettings(metrics=("attention_likeness", "attention_difference"), n_permutations=20)
        table = overlap_table([], both, group("copy", "reverse"), settings=names, generator=np.random.default_rng(0))
        with pytest.raises(HeadreuseError, match="attention patterns cannot be compared: mqar"):
            attention_likeness(pattern(np.ones((1, 1, 3, 3)), task="mqar"), both[1])
    assert table["metric"].tolist() == ["attention_likeness", "attention_difference"]
    assert table["value"].tolist() == [0.25, 0.0]


def test_settings_take_every_registered_name_and_refuse_others():
    assert ComparisonSettings(metrics=tuple(ALL)).metrics == tuple(ALL)
    with pytest.raises(LookupError, match=r"unknown overlap metric 'kendal'.*did you mean 'kendall'"):
        ComparisonSettings(metrics=("cosine", "kendal"))


@pytest.mark.slow
def test_all_metrics_together_give_a_table_a_heat_map_and_a_correlation():
    tasks, generator = ["copy", "reverse"], np.random.default_rng(0)
    settings_ = ComparisonSettings(metrics=tuple(ALL), n_permutations=20, n_splits=2)
    overlap, transfer = [], []
    for seed, step in product(range(2), range(4)):
        place = {"group": "g", "seed": seed, "step": step}
        given = [scores(generator.normal(size=(2, 4)), task=task, seed=i) for i, task in enumerate(tasks)]
        patterns = [pattern(generator.dirichlet(np.ones(3), size=(2, 4, 3)), task=task) for task in tasks]
        table = overlap_table(given, patterns, group(*tasks), settings=settings_, generator=np.random.default_rng(step))
        assert list(dict.fromkeys(table["metric"])) == [name for name in ALL if name in OF_MAPS] + [
            name for name in ALL if name not in OF_MAPS
        ]
        overlap.append(table.assign(**place))
        transfer.append(place | {"gap": generator.random(), "transfer_fraction": generator.random()})
    whole = pd.concat(overlap, ignore_index=True)
    shown = choices_of(overlap_matrices(whole, tasks=tasks))[0].values
    assert set(shown) == {name for name in ALL if not OVERLAP_METRICS[name].distance}
    rows = correlation_table(whole, pd.DataFrame(transfer), [group(*tasks)])
    rows = rows[~rows["overlap_metric"].isin(NEGATIVE_CONTROLS)]
    assert set(rows["overlap_metric"]) == set(ALL)
    assert rows[rows["statistic"] == "within_run"]["value"].notna().all()
