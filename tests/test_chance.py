"""Chance levels against all rearrangements and worked arithmetic; mean patterns compared head by head.

Covers `overlap/chance.py` and `overlap/attention.py`.
"""

from itertools import permutations, product

import numpy as np
import pytest
from head_maps import heads, pattern, scores
from scipy import stats

from headreuse.errors import HeadreuseError
from headreuse.overlap import (
    ComparisonSettings,
    attention_chance,
    attention_difference,
    compare,
)
from headreuse.overlap.chance import (
    chance_from,
    jaccard_chance,
    p_among,
    shuffles_over_all_layers,
    shuffles_within_layers,
)


def test_chance_of_two_sets_by_hand():
    a, b = np.array([[True, True, False, False]]), np.array([[False, True, True, False]])
    # Of the 6 ways to place 2 heads among 4, one shares both (Jaccard 1), four share one (1/3), one shares none.
    found = jaccard_chance(a, b)
    assert found.level == pytest.approx(1 / 6 * 1 + 4 / 6 * 1 / 3)
    assert found.least_p == jaccard_chance(a, a).least_p == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("places", "least_p"),
    [
        ((0, 1), 1 / 6),  # both in the first of two layers of 4 heads: one of 6 pairs
        ((0, 4), 1 / 16),  # one in each: one of 4 · 4
        ((0, 1, 4), 1 / 24),  # one of 6 · 4
        (range(8), 1.0),
    ],
)
def test_no_p_is_given_where_even_the_same_heads_would_not_be_told_from_chance(places, least_p):
    same = np.isin(np.arange(8), list(places)).reshape(2, 4)
    found = jaccard_chance(same, same)
    assert found.least_p == pytest.approx(least_p)
    if least_p > 0.05:
        assert np.isnan(found.p)
        assert found.note == (
            f"no p: there are so few ways to arrange such heads that it could not be below {least_p:.2g}"
        )
    else:
        assert found.p == pytest.approx(least_p)
        assert found.note == ""


def test_one_set_in_twenty_is_few_enough():
    found, value = np.arange(20.0), 19.0
    assert p_among(found, value) == (0.05, 0.05)
    assert p_among(found[1:], value) == (pytest.approx(np.nan, nan_ok=True), 1 / 19)
    assert p_among(np.minimum(found, 18.0), 18.0)[1] == 0.1  # two of them cost the most


def test_p_counts_the_overlap_that_there_is():
    """`sf(x − 1)`, the chance of at least x; `1 − cdf(x)` would leave x itself out."""
    a = np.arange(8) < 3
    assert jaccard_chance(a[None], a[None]).p == pytest.approx(stats.hypergeom.sf(3 - 1, 8, 3, 3)) == 1 / 56
    assert 1 - stats.hypergeom.cdf(3, 8, 3, 3) == pytest.approx(0.0)


def test_chance_within_layers_is_that_of_all_rearrangements():
    a = np.array([[1, 1, 0, 0], [0, 0, 1, 0]], dtype=bool)
    b = np.array([[1, 0, 1, 0], [0, 0, 1, 0]], dtype=bool)
    found = []
    for first, second in product(permutations(range(4)), repeat=2):
        moved = np.stack([b[0][list(first)], b[1][list(second)]])
        found.append((a & moved).sum() / (a | moved).sum())
    there = (a & b).sum() / (a | b).sum()
    exact = jaccard_chance(a, b)
    assert exact.level == pytest.approx(np.mean(found))
    assert exact.p == pytest.approx(np.mean(np.array(found) >= there - 1e-12))
    assert exact.least_p == pytest.approx(np.mean(np.array(found) == 1)) == pytest.approx(1 / 24)


def test_shuffles_leave_heads_in_their_layers_and_are_all_there_where_few():
    generator = np.random.default_rng(0)
    few = shuffles_within_layers(2, 3, generator)
    assert few.exact
    assert len({tuple(order) for order in few.orders}) == 36
    many = shuffles_within_layers(3, 8, generator, n_permutations=50)
    assert not many.exact
    assert (many.orders // 8 == np.arange(24) // 8).all()
    assert (np.sort(many.orders, axis=-1) == np.arange(24)).all()
    assert (shuffles_over_all_layers(3, 8, generator, n_permutations=50).orders // 8 != np.arange(24) // 8).any()


def test_p_of_sampled_rearrangements_counts_the_true_arrangement_too():
    null = np.arange(1, 40) / 100
    assert chance_from(null, 0.9, distance=False, exact=False).p == pytest.approx(1 / 40)
    assert chance_from(null, 0.38, distance=False, exact=False).p == pytest.approx(3 / 40)
    assert chance_from(null, 0.02, distance=True, exact=True).p == pytest.approx(2 / 39)
    assert chance_from(null, 0.02, distance=True, exact=True).least_p == pytest.approx(1 / 39)
    assert np.isnan(chance_from(null, np.nan, distance=True, exact=True).p)


def test_chance_of_a_correlation_is_that_of_all_rearrangements():
    a, b = scores(heads(0.9, 0.1, 0.5, 0.0, 0.3, 0.7)), scores(heads(0.5, 0.4, 0.3, 0.1, 0.9, 0.2), seed=1)
    settings_ = ComparisonSettings(metrics=("cosine",), n_splits=5)
    row = compare(a, b, settings=settings_, generator=np.random.default_rng(0)).iloc[0]
    map_a, map_b = a.effect("log_prob"), b.effect("log_prob")
    found = []
    for first, second in product(permutations(range(3)), repeat=2):
        moved = np.concatenate([map_b[0][list(first)], map_b[1][list(second)]])
        found.append(map_a.ravel() @ moved / np.linalg.norm(map_a) / np.linalg.norm(map_b))
    assert row["chance"] == pytest.approx(np.mean(found))
    assert row["p_chance"] == pytest.approx(np.mean(np.array(found) >= row["value"] - 1e-9))


def test_the_table_tells_chance_within_layers_from_chance_over_all_layers():
    truth = heads(0.9, 0.8, 0.1, 0.0, 0.1, 0.2)  # top 2: both in the first layer
    settings_ = ComparisonSettings(metrics=("top_k_jaccard",), top_k=2, n_splits=5)
    row = compare(scores(truth), scores(truth, seed=1), settings=settings_, generator=np.random.default_rng(0)).iloc[0]
    assert row["chance"] == pytest.approx(1 / 3 + 2 / 3 * 1 / 3)
    assert row["least_p"] == pytest.approx(1 / 3)
    assert np.isnan(row["p_chance"])
    assert row["note"].endswith("no p: there are so few ways to arrange such heads that it could not be below 0.33")
    # Two sets of 2 of 6 heads share both with probability 1/15, and one with 8/15.
    assert row["chance_all_layers"] == pytest.approx(1 / 15 * 1 + 8 / 15 * 1 / 3)


def test_attention_difference_sums_over_heads_and_entries():
    a, b = np.zeros((2, 1, 3, 3, 3))
    a[0, 0, 1] = [0.5, 0.5, 0]
    b[0, 0, 1] = [0.2, 0.8, 0]
    assert attention_difference(pattern(a), pattern(b)) == pytest.approx(0.6)


def test_attention_chance_is_that_of_all_rearrangements():
    generator = np.random.default_rng(0)
    a, b = (generator.dirichlet(np.ones(3), size=(2, 3, 3)) for _ in range(2))
    found = attention_chance(pattern(a), pattern(b), shuffles_within_layers(2, 3, generator))
    slow = [
        np.abs(a[0] - b[0][list(first)]).sum() + np.abs(a[1] - b[1][list(second)]).sum()
        for first, second in product(permutations(range(3)), repeat=2)
    ]
    assert found.level == pytest.approx(np.mean(slow))
    assert found.p == pytest.approx(np.mean(np.array(slow) <= np.abs(a - b).sum() + 1e-12))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (
            pattern(np.zeros((1, 2, 3, 3)), task="reverse", layout=("BOS", "ANSWER", "ANSWER")),
            "position 1 is input in copy",
        ),
        (
            pattern(np.zeros((1, 2, 2, 2)), task="reverse", layout=("BOS", "INPUT")),
            "3 positions and those of reverse 2",
        ),
        (pattern(np.zeros((1, 4, 3, 3)), task="reverse"), "1 × 2 heads and reverse has 1 × 4 heads"),
    ],
)
def test_patterns_that_do_not_line_up_are_refused_with_the_place(other, reason):
    with pytest.raises(HeadreuseError, match=reason):
        attention_difference(pattern(np.zeros((1, 2, 3, 3))), other)
