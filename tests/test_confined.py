"""Overlap of two tasks that may use some heads each, by hand.

Covers `overlap/confined.py`.
"""

import numpy as np
import pytest

from headreuse.overlap import ComparisonSettings, compare, overlap_table
from headreuse.overlap.confined import NOTHING_SHARED
from headreuse.records import HeadScores, MeanPattern
from headreuse.study import Group, TaskRange

N_PROMPTS = 40


def scores(task: str, effects: list[list[float]], heads: tuple[int, ...] | None) -> HeadScores:
    """One row of effects a layer; prompts differ by a little noise."""
    noise = np.random.default_rng(len(task)).normal(size=N_PROMPTS) * 1e-3
    per_prompt = np.array(effects, dtype=np.float32)[..., None] * (1 + noise - noise.mean()).astype(np.float32)
    baseline = {"exact_match": np.ones(N_PROMPTS, np.float32), "log_prob": np.zeros(N_PROMPTS, np.float32)}
    return HeadScores(task, 3, "mean_ablation", baseline, {"log_prob": per_prompt}).confined_to(heads)


def row(a: HeadScores, b: HeadScores, metric: str, **settings):
    found = compare(a, b, settings=ComparisonSettings(metrics=(metric,), **settings))
    return found.iloc[0]


def test_chance_rearranges_the_second_task_among_its_own_heads():
    a = scores("copy", [[3, 4, 0, 0]], (0, 1))
    b = scores("reverse", [[0, 4, 3, 0]], (1, 2))
    found = row(a, b, "cosine")
    assert found["value"] == pytest.approx(16 / 25, rel=1e-5)
    assert found["chance"] == pytest.approx((16 + 12) / 2 / 25, rel=1e-5), "(0, 4, 3) and (0, 3, 4)"
    assert found["least_p"] == 0.5
    assert found["usable"]


def test_chance_over_all_layers_stays_within_the_own_heads():
    a = scores("copy", [[1, 0, 0, 0], [0, 0, 0, 0]], (0, 1))
    b = scores("reverse", [[1, 0, 0, 0], [0, 0, 0, 0]], (0, 1))
    found = row(a, b, "cosine")
    assert (found["value"], found["chance"], found["chance_all_layers"]) == pytest.approx((1, 1 / 2, 1 / 4))


@pytest.mark.parametrize("metric", ["spearman", "ablation_map_difference", "top_k_jaccard", "kendall"])
def test_heads_that_no_task_may_use_count_for_nothing(metric):
    effects = {"copy": [[3, -1], [0.5, 2]], "reverse": [[1, 2], [-2, 0.1]]}
    wide = {task: [[0, *layer, 0] for layer in layers] for task, layers in effects.items()}
    expected = row(*(scores(task, layers, None) for task, layers in effects.items()), metric, top_k=2)
    found = row(*(scores(task, layers, (1, 2)) for task, layers in wide.items()), metric, top_k=2)
    for column in ("value", "chance", "p_chance"):
        assert found[column] == pytest.approx(expected[column], rel=1e-5, nan_ok=True), column


def test_a_directed_metric_rearranges_whichever_task_comes_second():
    a = scores("copy", [[3, 4, 0, 0]], (0, 1))
    b = scores("reverse", [[0, 4, 0.1, 0]], (1, 2))
    found = compare(a, b, settings=ComparisonSettings(metrics=("threshold_containment",))).set_index("task_a")
    assert found["value"].to_dict() == {"copy": 0.5, "reverse": 1}
    assert found["chance"].to_dict() == {"copy": 0.25, "reverse": 1}


def test_tasks_that_share_no_head_are_unusable_by_every_metric():
    group = Group(
        name="g",
        main=TaskRange(task="copy", max_length=3),
        auxiliary=(TaskRange(task="reverse", max_length=3),),
        heads=((0, 1), (2, 3)),
    )
    maps = [scores("copy", [[3, 4, 0, 0]], (0, 1)), scores("reverse", [[0, 0, 4, 3]], (2, 3))]
    even = np.full((1, 4, 2, 2), 0.5, np.float32)
    patterns = [MeanPattern(one.task, 3, N_PROMPTS, ("BOS", "INPUT"), even, one.heads) for one in maps]
    found = overlap_table(
        maps, patterns, group, settings=ComparisonSettings(), generator=np.random.default_rng(0)
    ).set_index("metric")
    assert not found["usable"].any()
    assert found["reason"].str.startswith(NOTHING_SHARED).all()
    assert found.loc["cosine", "value"] == 0
    assert np.isnan(found.loc["attention_difference", "value"])


def test_patterns_are_compared_over_the_heads_that_both_may_use():
    group = Group(
        name="g",
        main=TaskRange(task="copy", max_length=3),
        auxiliary=(TaskRange(task="reverse", max_length=3),),
        heads=((0, 1), (1, 2)),
    )
    one, other = np.zeros((2, 1, 4, 2, 2), np.float32)
    one[0, :, 0, 0] = 1
    other[0, :, 0, 0] = 0.25
    patterns = [
        MeanPattern("copy", 3, 9, ("BOS", "INPUT"), one, (0, 1)),
        MeanPattern("reverse", 3, 9, ("BOS", "INPUT"), other, (1, 2)),
    ]
    settings = ComparisonSettings(metrics=("attention_difference",))
    found = overlap_table([], patterns, group, settings=settings, generator=np.random.default_rng(0))
    assert found["value"].tolist() == [0.75], "one head of four"


def test_exact_chance_of_sets_is_among_the_own_heads_too():
    found = row(
        scores("copy", [[1, 3, 0, 0]], (0, 1)), scores("reverse", [[0, 4, 3, 0]], (1, 2)), "top_k_jaccard", top_k=1
    )
    assert (found["value"], found["chance"]) == (1, 0.5), "of three heads that one of them may use it would be a third"


def test_a_top_set_holds_heads_of_its_task_alone_even_if_they_harm():
    a, b = scores("copy", [[3, -1, 0, 0]], (0, 1)), scores("reverse", [[0, 2, 1, 0]], (1, 2))
    assert row(a, b, "top_k_jaccard", top_k=2)["value"] == pytest.approx(1 / 3), "0 1 and 1 2"
    assert row(a, b, "top_k_jaccard", top_k=8)["value"] == pytest.approx(1 / 3)
    assert row(a, b, "absolute_top_k_jaccard", top_k=2)["value"] == pytest.approx(1 / 3)
