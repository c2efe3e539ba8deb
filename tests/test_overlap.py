"""Overlap metrics against slow loops, scipy and hand-worked sets; chance, noise and usability by arithmetic."""

from itertools import permutations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

import headreuse.overlap
from headreuse.correlation import correlation_table
from headreuse.errors import HeadreuseError
from headreuse.figures import overlap_matrices
from headreuse.figures.specificity import specificity_over_seeds
from headreuse.figures.views import choices_of
from headreuse.overlap import (
    OVERLAP_METRICS,
    ComparisonSettings,
    SetAblations,
    attention_chance,
    attention_difference,
    compare,
    functional_overlap,
    functional_table,
    heads_with_effect,
    map_metric,
    map_metrics,
    overlap_table,
    pattern_metric,
    why_unusable,
)
from headreuse.overlap.chance import (
    chance_from,
    jaccard_chance,
    shuffles_over_all_layers,
    shuffles_within_layers,
)
from headreuse.overlap.metrics import top_set
from headreuse.overlap.resampling import draw_weights, resample
from headreuse.records import HeadScores, MeanPattern
from headreuse.study import Group

SETTINGS = ComparisonSettings(n_resamples=200, n_permutations=200, n_splits=20)
ALL = sorted(OVERLAP_METRICS)
OF_MAPS = sorted(map_metrics())
maps = arrays(float, (2, 4), elements=st.floats(-1, 1).map(lambda x: round(x, 3)))


def heads(*values: float) -> np.ndarray:
    return np.array(values, dtype=float).reshape(2, -1)


def scores(truth, *, task="copy", noise=0.2, n=128, accuracy=1.0, seed=0, length=8, method="mean_ablation"):
    generator = np.random.default_rng(seed)
    truth = np.asarray(truth, dtype=float)
    effects = truth[..., None] + noise * generator.normal(size=(*truth.shape, n))
    baseline = {"exact_match": (np.arange(n) < accuracy * n).astype(float), "log_prob": -np.ones(n)}
    return HeadScores(task, length, method, baseline, {"log_prob": effects})


def group(*tasks: str, main: int = 8, longer: int = 16) -> Group:
    auxiliary = [{"task": task, "max_length": longer} for task in tasks[1:]]
    return Group.model_validate({"name": "g", "main": {"task": tasks[0], "max_length": main}, "auxiliary": auxiliary})


def pattern(values, *, task="copy", layout=("BOS", "INPUT", "ANSWER")) -> MeanPattern:
    return MeanPattern(task, 8, 64, tuple(layout), np.asarray(values, dtype=float))


# Values


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


# Properties of every metric


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


def test_all_metrics_together_give_a_table_a_heat_map_and_a_correlation():
    tasks, generator = ["copy", "reverse"], np.random.default_rng(0)
    settings_ = ComparisonSettings(metrics=tuple(ALL), n_resamples=20, n_permutations=20, n_splits=2)
    overlap, transfer = [], []
    for seed, step in product(range(2), range(3)):
        place = {"group": "g", "seed": seed, "step": step}
        given = [scores(generator.normal(size=(2, 4)), task=task, seed=i) for i, task in enumerate(tasks)]
        patterns = [pattern(generator.dirichlet(np.ones(3), size=(2, 4, 3)), task=task) for task in tasks]
        table = overlap_table(given, patterns, group(*tasks), settings=settings_, generator=generator)
        assert list(dict.fromkeys(table["metric"])) == [name for name in ALL if name in OF_MAPS] + [
            name for name in ALL if name not in OF_MAPS
        ]
        overlap.append(table.assign(**place))
        transfer.append(place | {"gap": generator.random(), "transfer_fraction": generator.random()})
    whole = pd.concat(overlap, ignore_index=True)
    shown = choices_of(overlap_matrices(whole, tasks=tasks))[0].values
    assert set(shown) == {name for name in ALL if not OVERLAP_METRICS[name].distance}
    rows = correlation_table(whole, pd.DataFrame(transfer), [group(*tasks)])
    assert set(rows["overlap_metric"]) == set(ALL)
    assert rows[rows["statistic"] == "within_run"]["value"].notna().all()


# Chance


def test_chance_of_two_sets_by_hand():
    a, b = np.array([[True, True, False, False]]), np.array([[False, True, True, False]])
    # Of the 6 ways to place 2 heads among 4, one shares both (Jaccard 1), four share one (1/3), one shares none.
    assert jaccard_chance(a, b).level == pytest.approx(1 / 6 * 1 + 4 / 6 * 1 / 3)
    assert jaccard_chance(a, b).p == pytest.approx(5 / 6)
    assert jaccard_chance(a, a).p == pytest.approx(1 / 6)


def test_p_counts_the_overlap_that_there_is():
    """`sf(x − 1)`, the chance of at least x; `1 − cdf(x)` would leave x itself out."""
    a = np.arange(8) < 3
    assert jaccard_chance(a[None], a[None]).p == pytest.approx(stats.hypergeom.sf(3 - 1, 8, 3, 3)) == 1 / 56
    assert 1 - stats.hypergeom.cdf(3, 8, 3, 3) == pytest.approx(0.0)


def test_chance_within_layers_is_that_of_all_rearrangements():
    a = np.array([[1, 1, 0], [0, 0, 1]], dtype=bool)
    b = np.array([[1, 0, 0], [0, 1, 1]], dtype=bool)
    found = []
    for first, second in product(permutations(range(3)), repeat=2):
        moved = np.stack([b[0][list(first)], b[1][list(second)]])
        found.append((a & moved).sum() / (a | moved).sum())
    there = (a & b).sum() / (a | b).sum()
    exact = jaccard_chance(a, b)
    assert exact.level == pytest.approx(np.mean(found))
    assert exact.p == pytest.approx(np.mean(np.array(found) >= there - 1e-12))


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
    null = np.array([0.1, 0.2, 0.3])
    assert chance_from(null, 0.9, distance=False, exact=False).p == pytest.approx(1 / 4)
    assert chance_from(null, 0.2, distance=False, exact=False).p == pytest.approx(3 / 4)
    assert chance_from(null, 0.2, distance=True, exact=True).p == pytest.approx(2 / 3)
    assert np.isnan(chance_from(null, np.nan, distance=True, exact=True).p)


def test_chance_of_a_correlation_is_that_of_all_rearrangements():
    a, b = scores(heads(0.9, 0.1, 0.5, 0.0, 0.3, 0.7)), scores(heads(0.5, 0.4, 0.3, 0.1, 0.9, 0.2), seed=1)
    settings_ = ComparisonSettings(metrics=("cosine",), n_resamples=50, n_splits=5)
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
    settings_ = ComparisonSettings(metrics=("top_k_jaccard",), top_k=2, n_resamples=50, n_splits=5)
    row = compare(scores(truth), scores(truth, seed=1), settings=settings_, generator=np.random.default_rng(0)).iloc[0]
    assert row["chance"] == pytest.approx(1 / 3 + 2 / 3 * 1 / 3)
    assert row["p_chance"] == pytest.approx(1 / 3)
    # Two sets of 2 of 6 heads share both with probability 1/15, and one with 8/15.
    assert row["chance_all_layers"] == pytest.approx(1 / 15 * 1 + 8 / 15 * 1 / 3)


# Attention


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
    ("other", "told"),
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
def test_patterns_that_do_not_line_up_are_refused_with_the_place(other, told):
    with pytest.raises(HeadreuseError, match=told):
        attention_difference(pattern(np.zeros((1, 2, 3, 3))), other)


# Resampling and noise


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


# Usability


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


# Tables


def test_the_table_has_every_pair_main_first_and_both_ways_round_where_it_matters():
    tasks = ["copy", "capitalize", "reverse"]
    given = [scores(heads(0.5, 0.1, 0.0, 0.2), task=task, seed=i) for i, task in enumerate(reversed(tasks))]
    patterns = [pattern(np.full((2, 2, 3, 3), 1 / 3), task=task) for task in reversed(tasks)]
    names = ("cosine", "threshold_containment", "attention_difference")
    settings_ = ComparisonSettings(metrics=names, n_resamples=50, n_splits=5)
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
    settings_ = ComparisonSettings(metrics=tuple(OF_MAPS), n_resamples=50, n_permutations=50, n_splits=5)
    first, second = (compare(a, b, settings=settings_, generator=np.random.default_rng(3)) for _ in range(2))
    assert first.equals(second)


# Functional overlap


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
    loss, own, *random = (one.astype(float) for one in lost)
    found = functional_overlap(
        SetAblations("a", "b", "log_prob", 3, loss, own, np.stack(random)), np.random.default_rng(0)
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


def test_specificity_is_the_mean_over_seeds_of_each_pair():
    table = functional_table([ablations(0.5), ablations(0.0, seed=1, source="mqar")], np.random.default_rng(0))
    runs = [table.assign(group=kind, kind=kind, seed=seed) for kind in ("related", "control") for seed in (0, 1)]
    rows = specificity_over_seeds(pd.concat(runs)).set_index(["group", "source", "measure"])
    assert (rows["n_seeds"] == 2).all()
    assert rows.loc[("related", "copy", "value"), "mean"] == table["value"][0]
    assert rows.loc[("control", "mqar", "chance"), "mean"] == table["chance"][1]
