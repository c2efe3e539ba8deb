"""The overlap table: its pairs, its reasons why maps cannot be used, what it refuses.

Covers `overlap/table.py`, `overlap/compare.py` and `overlap/usable.py`.
"""

import numpy as np
import pytest
from head_maps import group, heads, pattern, scores

from headreuse.errors import HeadreuseError
from headreuse.overlap import (
    ComparisonSettings,
    compare,
    heads_with_effect,
    map_metrics,
    overlap_table,
    why_unusable,
)
from headreuse.records import HeadScores

SETTINGS = ComparisonSettings(n_permutations=200, n_splits=20)

OF_MAPS = sorted(map_metrics())


def test_reasons_why_a_map_cannot_be_used():
    truth = heads(0.5, 0.1, 0.0, 0.0)
    assert why_unusable(scores(truth), "log_prob", baseline_floor=0.1) == ""
    assert "floor: copy has accuracy 0.05, below 0.1" in why_unusable(
        scores(truth, accuracy=0.05, n=100), "log_prob", baseline_floor=0.1
    )
    assert "no head of copy moves log_prob" in why_unusable(scores(0 * truth), "log_prob", baseline_floor=0.1)
    saturated = HeadScores("copy", 8, "m", {"exact_match": np.ones(9)}, {"exact_match": np.ones((2, 2, 9))})
    assert "ceiling: 4 of 4 heads" in why_unusable(saturated, "exact_match", baseline_floor=0.1)


def test_heads_with_an_effect_are_few_where_there_is_only_noise():
    found = [heads_with_effect(scores(np.zeros((4, 8)), seed=seed), "log_prob").any() for seed in range(200)]
    assert np.mean(found) < 0.12
    assert heads_with_effect(scores(heads(0.5, 0, 0, 0)), "log_prob").tolist() == [[True, False], [False, False]]


def test_the_table_has_every_pair_main_first_and_both_ways_round_where_it_matters():
    tasks = ["copy", "capitalize", "reverse"]
    given = [scores(heads(0.5, 0.1, 0.0, 0.2), task=task, seed=i) for i, task in enumerate(reversed(tasks))]
    patterns = [pattern(np.full((2, 2, 3, 3), 1 / 3), task=task) for task in reversed(tasks)]
    names = ("cosine", "threshold_containment", "attention_difference")
    settings_ = ComparisonSettings(metrics=names, n_splits=5)
    table = overlap_table(given, patterns, group(*tasks), settings=settings_, generator=np.random.default_rng(0))
    pairs = {name: list(zip(rows["task_a"], rows["task_b"], strict=True)) for name, rows in table.groupby("metric")}
    unordered = [("copy", "capitalize"), ("copy", "reverse"), ("capitalize", "reverse")]
    assert pairs["cosine"] == pairs["attention_difference"] == unordered
    assert len(pairs["threshold_containment"]) == 6
    attention = table[table["metric"] == "attention_difference"]
    assert set(attention["method"]) == {"attention"}
    assert attention["value"].tolist() == [0.0, 0.0, 0.0]
    assert table["usable"].all()


def test_a_checkpoint_that_has_not_learned_is_not_usable_whatever_the_outcome():
    given = [scores(heads(0.5, 0.1, 0.0, 0.2), task=task, accuracy=0.0) for task in ("copy", "reverse")]
    patterns = [pattern(np.full((2, 2, 3, 3), 1 / 3), task=task) for task in ("copy", "reverse")]
    table = overlap_table(
        given, patterns, group("copy", "reverse"), settings=SETTINGS, generator=np.random.default_rng(0)
    )
    assert not table["usable"].any()
    assert table["reason"].str.contains("floor: copy has accuracy 0.00").all()


def test_misaligned_patterns_leave_a_row_that_says_where():
    given = [scores(heads(0.5, 0.1, 0.0, 0.2), task=task) for task in ("copy", "reverse")]
    patterns = [
        pattern(np.full((2, 2, 3, 3), 1 / 3)),
        pattern(np.full((2, 2, 3, 3), 1 / 3), task="reverse", layout=("BOS", "ANSWER", "ANSWER")),
    ]
    table = overlap_table(
        given, patterns, group("copy", "reverse"), settings=SETTINGS, generator=np.random.default_rng(0)
    )
    row = table[table["metric"] == "attention_difference"].iloc[0]
    assert np.isnan(row["value"])
    assert not row["usable"]
    assert "position 1 is input in copy and answer in reverse" in row["reason"]


def test_scores_of_two_models_are_refused():
    with pytest.raises(HeadreuseError, match="models with 2 × 2 and 2 × 3 heads cannot be compared"):
        compare(scores(np.ones((2, 2))), scores(np.ones((2, 3))), settings=SETTINGS, generator=np.random.default_rng(0))


def test_the_same_generator_gives_the_same_table():
    a, b = scores(heads(0.5, 0.1, 0.0, 0.2)), scores(heads(0.5, 0.1, 0.2, 0.0), seed=1)
    settings_ = ComparisonSettings(metrics=tuple(OF_MAPS), n_permutations=50, n_splits=5)
    first, second = (compare(a, b, settings=settings_, generator=np.random.default_rng(3)) for _ in range(2))
    assert first.equals(second)


def test_tasks_may_have_different_and_few_prompts():
    truth = heads(0.5, 0.1, 0.0, 0.2)
    a, few = scores(truth, n=40), scores(truth, seed=1, n=9)
    rows = compare(a, few, settings=SETTINGS, generator=np.random.default_rng(0))
    assert rows["note"].str.contains("no interval").all()
    other = compare(few, a, settings=SETTINGS, generator=np.random.default_rng(0))
    assert rows["value"].to_numpy() == pytest.approx(other["value"].to_numpy())
