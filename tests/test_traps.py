"""The traps of the method, each sprung without its guard and caught with it; 9, redundancy, in `test_head_sets.py`."""

import numpy as np
import pandas as pd
import pytest
import torch
from checkpoint_series import panel
from scipy import stats

from headreuse.correlation import correlation_table, permutation_p, run_correlations
from headreuse.correlation.paired import deviations
from headreuse.correlation.simulated import autoregressive
from headreuse.correlation.statistics import given_accuracies
from headreuse.correlation.table import verdict_of
from headreuse.errors import HeadreuseError
from headreuse.overlap import OVERLAP_METRICS, ComparisonSettings, attention_difference, compare, overlap_table
from headreuse.overlap.chance import chance_from, shuffles_over_all_layers, shuffles_within_layers
from headreuse.records import Head, HeadScores, MeanPattern
from headreuse.scores import mean_ablation
from headreuse.study import Group

SETTINGS = ComparisonSettings(n_permutations=100, n_splits=20)
D_ABL = OVERLAP_METRICS["ablation_map_difference"]
N_EXAMPLES = 200


def group(name: str = "g", kind: str = "related") -> Group:
    return Group.model_validate(
        {
            "name": name,
            "kind": kind,
            "main": {"task": "copy", "max_length": 8},
            "auxiliary": [{"task": "reverse", "max_length": 16}],
        }
    )


def scores(task: str, effects: dict[str, np.ndarray], *, accuracy: float = 1.0, length: int = 8) -> HeadScores:
    """Scores with the given mean effects and a little noise."""
    generator = np.random.default_rng(len(task))
    shape = (*next(iter(effects.values())).shape, N_EXAMPLES)
    baseline = {name: np.full(N_EXAMPLES, accuracy) for name in effects} | {
        "exact_match": np.full(N_EXAMPLES, accuracy)
    }
    noisy = {
        name: truth[..., None] + 0.01 * generator.normal(size=shape) * (truth[..., None] != 0)
        for name, truth in effects.items()
    }
    return HeadScores(task, length, "mean_ablation", baseline, noisy)


def table_of(a: HeadScores, b: HeadScores) -> pd.DataFrame:
    return overlap_table([a, b], [], group(), settings=SETTINGS, generator=np.random.default_rng(0))


def test_1_two_dead_maps_look_identical_and_are_marked():
    used = {"copy": np.array([[1.0, 0.0, 0.0, 0.5]]), "reverse": np.array([[0.0, 0.8, 1.0, 0.0]])}
    untrained = [
        scores(task, {"exact_match": 0 * truth, "log_prob": 0.1 * truth}, accuracy=0.0) for task, truth in used.items()
    ]
    maps = [entry.effect("exact_match") for entry in untrained]
    assert D_ABL(*maps) == 0.0  # sprung: as alike as can be

    rows = table_of(*untrained).set_index(["outcome", "metric"])
    assert not rows["usable"].any()
    assert "floor: copy has accuracy 0.00" in rows.loc[("exact_match", "ablation_map_difference"), "reason"]
    assert rows.loc[("log_prob", "cosine"), "value"] < 0.1  # the metric without a floor sees that they differ


def test_2_maps_taken_where_main_fails_follow_the_gap_by_construction():
    shared = np.array([[0.9, 0.0], [0.5, 0.1]])
    overlap, transfer = {8: [], 12: []}, []
    for seed in range(2):
        for step, gap in enumerate(np.linspace(0.5, 0.1, 8) + 0.02 * np.random.default_rng(seed).normal(size=8)):
            place = {"group": "g", "seed": seed, "step": step + 1}
            transfer.append(place | {"gap": gap, "transfer_fraction": 1 - 2 * gap})
            for length, accuracy in ((8, 1.0), (12, 1 - 2 * gap)):
                main = scores("copy", {"log_prob": accuracy * shared}, length=length)
                auxiliary = scores("reverse", {"log_prob": shared}, length=length)
                rows = table_of(main, auxiliary)
                overlap[length].append(rows.assign(**place))
    beyond, within = pd.concat(overlap[12]), pd.concat(overlap[8])
    chosen = {"overlap_metric": "ablation_map_difference", "transfer_metric": "gap", "statistic": "within_run"}

    def value(rows: pd.DataFrame) -> pd.DataFrame:
        table = correlation_table(rows, pd.DataFrame(transfer), [group()])
        return table[(table[list(chosen)] == pd.Series(chosen)).all(axis=1)]

    (sprung,) = value(beyond.assign(usable=True))["value"]
    assert sprung > 0.99  # both tasks use the same heads at every step
    assert not beyond["usable"].any()
    assert beyond["reason"].str.contains("length 12 is beyond copy's training range, 8").all()
    assert (beyond["length"] == 12).all()
    assert not len(value(beyond)["value"].dropna())
    assert within[within["metric"] == "ablation_map_difference"]["value"].max() < 0.01


def test_3_a_common_trend_looks_like_a_relation():
    generator = np.random.default_rng(0)
    shape = (500, 5, 20)
    trend = 2 * np.tanh(np.linspace(-2, 2, 20))
    overlap, gap = (trend + autoregressive(shape, 0.7, generator) for _ in range(2))
    naive = stats.pearsonr(overlap.reshape(500, -1), gap.reshape(500, -1), axis=-1).pvalue
    assert (naive <= 0.05).mean() > 0.9  # sprung
    guarded = permutation_p([[run_correlations(deviations(overlap), deviations(gap))]])
    assert (guarded <= 0.05).mean() <= 0.07


def test_4_noise_makes_maps_of_one_truth_differ():
    generator = np.random.default_rng(0)
    truth = generator.gamma(0.5, size=(2, 8))
    noisy = [
        HeadScores(
            task,
            8,
            "m",
            {"exact_match": np.ones(64)},
            {"log_prob": truth[..., None] + generator.normal(size=(2, 8, 64))},
        )
        for task in ("copy", "reverse")
    ]
    found = compare(*noisy, settings=SETTINGS, generator=generator).set_index("metric")
    row = found.loc["ablation_map_difference"]
    assert row["value"] > 0.1  # sprung: apart, where nothing truly is
    assert row["value"] == pytest.approx(row["noise_floor"], rel=0.25)
    assert np.isnan(row["ci_low"])
    assert found.loc["cosine", "value"] < 0.97
    assert found.loc["cosine", "disattenuated"] == pytest.approx(1.0, abs=0.05)


def test_5_random_heads_overlap_and_more_so_where_late_layers_matter():
    generator = np.random.default_rng(0)
    n_layers, n_heads, n_pairs = 3, 6, 300
    weight = np.array([0.1, 0.3, 1.5])[:, None]
    a, b = weight * generator.gamma(1.0, size=(2, n_pairs, n_layers, n_heads))
    metric = OVERLAP_METRICS["cosine"]
    value = metric(a, b)
    assert value.mean() > 0.4  # sprung: far from 0, and from nothing shared

    def rejected(shuffles) -> float:
        found = [
            chance_from(
                metric(x[None], y.ravel()[shuffles.orders].reshape(-1, *y.shape)), v, distance=False, exact=False
            )
            for x, y, v in zip(a, b, value, strict=True)
        ]
        return np.mean([entry.p <= 0.05 for entry in found])

    assert rejected(shuffles_over_all_layers(n_layers, n_heads, generator, n_permutations=99)) > 0.3  # sprung again
    assert rejected(shuffles_within_layers(n_layers, n_heads, generator, n_permutations=99)) <= 0.08


def test_6_patterns_of_prompts_that_do_not_line_up():
    look_back = np.tril(np.ones((5, 5))) / np.arange(1, 6)[:, None]
    short = MeanPattern("copy", 1, 8, ("BOS", "INPUT", "SEPARATOR", "ANSWER"), look_back[None, None, :4, :4])
    long = MeanPattern("reverse", 2, 8, ("BOS", "INPUT", "INPUT", "SEPARATOR", "ANSWER"), look_back[None, None])
    cropped = np.abs(short.pattern - long.pattern[..., :4, :4]).sum()
    assert cropped == 0.0  # sprung: a number, about nothing
    with pytest.raises(HeadreuseError, match="copy have 4 positions and those of reverse 5"):
        attention_difference(short, long)
    shifted = MeanPattern("reverse", 1, 8, ("BOS", "SEPARATOR", "INPUT", "ANSWER"), short.pattern)
    with pytest.raises(HeadreuseError, match="position 1 is input in copy and separator in reverse"):
        attention_difference(short, shifted)


def test_7_overlap_of_unrelated_tasks_rises_as_well():
    generator = np.random.default_rng(0)
    overlap, transfer = [], []
    groups = [group("related"), group("control", "control")]
    for one in groups:
        for seed in range(4):
            learned = np.linspace(0, 1, 12)
            alike = 0.2 + 0.6 * learned + 0.05 * generator.normal(size=12)
            gap = 0.5 - 0.3 * learned + 0.03 * generator.normal(size=12)
            for step in range(12):
                place = {"group": one.name, "seed": seed, "step": step + 1}
                measured = {"method": "m", "outcome": "o", "metric": "cosine", "value": alike[step], "usable": True}
                accuracies = {"baseline_a": learned[step], "baseline_b": learned[step] ** 2}
                overlap.append(place | {"task_a": "copy", "task_b": "reverse"} | measured | accuracies)
                transfer.append(place | {"gap": gap[step], "transfer_fraction": 1 - 2 * gap[step]})
    table = correlation_table(pd.DataFrame(overlap), pd.DataFrame(transfer), groups)
    of_cosine = (table["transfer_metric"] == "gap") & (table["overlap_metric"] == "cosine")
    rows = table[of_cosine].set_index(["group", "statistic"])
    assert rows.loc[("related", "within_run"), "value"] < -0.8  # sprung: re-use goes with transfer
    assert rows.loc[("related", "beyond_progress"), "verdict"] != "beyond progress"
    apart = rows.loc[("related − control", "related_minus_control")]
    assert apart["ci_low"] < 0 < apart["ci_high"]


def test_8_a_head_is_a_slice_of_what_goes_into_the_output_projection(planted_model, generator):
    prompts = planted_model.prompts("A", 64, generator)
    model, n_layers, n_heads = planted_model.model, 2, 4
    width = model.config.hidden_size // n_heads

    def accuracy() -> float:
        with torch.no_grad():
            best = model(torch.as_tensor(prompts.tokens)).logits.argmax(-1).numpy()
        right = (best[:, :-1] == prompts.tokens[:, 1:]) | ~prompts.scored[:, 1:]
        return right.all(axis=1).mean()

    def without_slice(layer: int, head: int) -> float:
        def cut(_module: object, _inputs: object, output: torch.Tensor) -> torch.Tensor:
            output = output.clone()
            output[..., head * width : (head + 1) * width] = 0
            return output

        handle = model.model.layers[layer].self_attn.o_proj.register_forward_hook(cut)
        try:
            return accuracy()
        finally:
            handle.remove()

    assert accuracy() == 1.0
    places = [Head(layer, head) for layer in range(n_layers) for head in range(n_heads)]
    blamed = {place for place in places if without_slice(place.layer, place.head_index) < 0.9}
    assert blamed != planted_model.heads["A"]  # sprung: slices of the attention's output are not heads
    effect = mean_ablation(model, prompts).effect("exact_match")
    assert {Head(*map(int, place)) for place in np.argwhere(effect > 0.1)} == planted_model.heads["A"]


def test_10_seeds_that_learn_faster_move_overlap_and_gap_together():
    generator = np.random.default_rng(0)
    n_studies, shape = 40, (6, 14)
    found, naive = [], []
    for _ in range(n_studies):
        late = 0.25 * generator.normal(size=(6, 1))
        progress = np.log(np.arange(1, shape[1] + 1)) - late
        main, hump = (1 / (1 + np.exp(-4 * (progress - middle))) for middle in (1.7, 1.3))
        overlap = hump + 0.03 * generator.normal(size=shape)
        gap = 0.5 - 0.5 * main + 0.03 * generator.normal(size=shape)
        centred = [values - values.mean(0) for values in (overlap, gap)]
        naive.append(stats.pearsonr(*(values.ravel() for values in centred)).pvalue)
        seen = generator.binomial(256, main) / 256
        found.append(verdict_of(panel(overlap, gap, main=seen, auxiliary=np.sqrt(seen))))
    assert np.mean(np.array(naive) <= 0.05) > 0.9  # sprung: at the same step the two go together over seeds
    assert np.mean([row.verdict == "beyond progress" for row in found]) <= 0.1
    assert np.mean([row.verdict == "not testable" for row in found]) <= 0.1


def test_11_the_ablation_map_difference_of_accuracy_contains_mains_accuracy_as_the_gap_does():
    generator = np.random.default_rng(0)
    shape = (300, 6, 12)
    of_main, of_auxiliary = generator.random(
        (2, 300, 6, 1, 4)
    )  # other heads, of each seed the same throughout training
    clock = 0.15 * generator.normal(size=(300, 6, 1))
    accuracy = 1 / (1 + np.exp(-3 * (np.log(np.arange(1, 13)) - 1.5 - clock)))
    main = np.clip(accuracy + 0.05 * generator.normal(size=shape), 0.02, 1)
    maps = [
        np.concatenate([main[..., None] * of_main, np.zeros((*shape, 4))], axis=-1),
        np.concatenate([np.zeros((*shape, 4)), np.broadcast_to(of_auxiliary, (*shape, 4))], axis=-1),
    ]
    difference, cosine = (metric(*(one[..., None, :] for one in maps)) for metric in (D_ABL, OVERLAP_METRICS["cosine"]))
    gap = 0.5 * (1 - main) + 0.02 * generator.normal(size=shape)
    assert np.ptp(cosine) < 1e-12  # nothing is shared at any step

    def rejected(x: np.ndarray, y: np.ndarray) -> float:
        p = permutation_p([[run_correlations(deviations(x), deviations(y))]])
        return float((p <= 0.05).mean())

    assert rejected(difference, gap) > 0.25  # sprung: at the same step they go together
    left = given_accuracies(difference, gap, np.stack([main, np.sqrt(main)], axis=-1))
    assert rejected(*left) <= 0.1
