"""What is lost where several heads go at once? Covers `interventions/head_sets.py`, `interventions/replacements.py`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from decoders import N_HEADS, N_LAYERS, answered_prompts, random_model, slow_outcomes
from scipy import stats

from headreuse.errors import HeadreuseError
from headreuse.interventions.head_sets import name_of, other_sets_like, set_ablation
from headreuse.measurements.set_ablation import other_sets
from headreuse.records import Checkpoint, Head
from headreuse.scores import mean_ablation, resample_ablation, zero_ablation
from headreuse.store.units import Unit

SINGLE_SCORE = {"mean": mean_ablation, "resample": resample_ablation}


@pytest.fixture(scope="module")
def llama():
    return random_model("llama_gqa")


@pytest.fixture
def prompts(llama, generator):
    return answered_prompts(llama, generator)


@pytest.mark.parametrize("position", ["each", "pooled"])
@pytest.mark.parametrize("replacement", ["mean", "resample", "zero"])
def test_a_set_of_one_head_has_the_single_score(replacement, position, llama, prompts):
    if replacement == "zero":
        single = zero_ablation(llama, prompts)
    else:
        single = SINGLE_SCORE[replacement](llama, prompts, position=position)
    heads = [Head(layer, index) for layer in range(N_LAYERS) for index in range(N_HEADS)]
    scores = set_ablation(llama, prompts, [[head] for head in heads], replacement=replacement, position=position)
    assert (scores.replacement, scores.position) == (replacement, position)
    for outcome, values in scores.effects.items():
        expected = single.effects[outcome].reshape(len(heads), -1)
        np.testing.assert_array_equal(values, expected)


def test_order_does_not_matter_and_nothing_costs_nothing(llama, prompts):
    heads = [Head(2, 1), Head(0, 3), Head(1, 0)]
    scores = set_ablation(llama, prompts, [heads, heads[::-1], set(heads), []])
    for values in scores.effects.values():
        np.testing.assert_array_equal(values[0], values[1])
        np.testing.assert_array_equal(values[0], values[2])
        np.testing.assert_array_equal(values[3], 0)


@pytest.mark.parametrize("name", ["llama_gqa", "gpt2", "gemma2", "gpt_neox", "mistral_window"])
def test_sets_over_several_layers_by_a_loop_of_hooks(name, generator):
    model = random_model(name)
    prompts = answered_prompts(model, generator)
    sets = [{Head(0, 1), Head(0, 2), Head(2, 3)}, {Head(1, 0), Head(2, 2), Head(2, 3)}, {Head(2, 0), Head(2, 1)}]
    scores = set_ablation(model, prompts, sets, replacement="zero")
    names = ("self_attn.o_proj", "attn.c_proj", "attention.dense")
    projections = [part for name, part in model.named_modules() if name.endswith(names)]
    for heads, exact, log_prob in zip(sets, scores.effects["exact_match"], scores.effects["log_prob"], strict=True):

        def silence(module, args, heads=heads):
            z = args[0].unflatten(-1, (N_HEADS, -1)).clone()
            z[:, :, [head.head_index for head in heads if projections[head.layer] is module]] = 0
            return (z.flatten(-2),)

        handles = [projection.register_forward_pre_hook(silence) for projection in projections]
        with torch.no_grad():
            found = slow_outcomes(model(torch.as_tensor(prompts.tokens), use_cache=False).logits, prompts)
        for handle in handles:
            handle.remove()
        np.testing.assert_array_equal(exact, scores.baseline["exact_match"] - found["exact_match"])
        np.testing.assert_allclose(log_prob, scores.baseline["log_prob"] - found["log_prob"], atol=1e-4)


@pytest.mark.parametrize("sharing", [0.0, 0.3, 1.0])
def test_ablating_all_heads_of_one_task_breaks_the_shared_part_of_the_other(sharing, planted, generator):
    truth = planted(sharing)
    prompts = truth.prompts("B", 20, generator)
    scores = set_ablation(truth.model, prompts, [truth.heads["A"], truth.heads["B"]])
    assert scores.effect("exact_match").tolist() == pytest.approx([sharing, 1.0])


def test_all_other_sets_are_there_once_where_they_are_few(generator):
    """Of 4 heads in a layer there are 6 pairs: without 0.0 0.1 there remain 5, which can be written down."""
    pair = {Head(0, 0), Head(0, 1)}
    found = [name_of(one) for one in other_sets_like(pair, 4, 20, generator)]
    assert sorted(found) == ["0.0 0.2", "0.0 0.3", "0.1 0.2", "0.1 0.3", "0.2 0.3"]
    across = {Head(0, 1), Head(1, 2)}
    found = [name_of(one) for one in other_sets_like(across, 4, 15, generator)]
    assert sorted(found) == [f"0.{i} 1.{j}" for i in range(4) for j in range(4) if (i, j) != (1, 2)]
    assert other_sets_like({Head(0, index) for index in range(4)}, 4, 20, generator) == []


def test_drawn_sets_have_as_many_heads_in_each_layer_and_none_twice(generator):
    heads = {Head(0, 1), Head(2, 0), Head(2, 3)}
    draws = [other_sets_like(heads, 4, 12, generator) for _ in range(400)]
    assert all(len(set(drawn)) == 12 and heads not in drawn for drawn in draws)
    every = [one for drawn in draws for one in drawn]
    assert all(sorted(head.layer for head in one) == [0, 2, 2] for one in every)
    # 4 choices in layer 0, 6 pairs in layer 2: the 23 others are drawn about equally often, 209 times each.
    counts = np.unique([name_of(one) for one in every], return_counts=True)[1]
    assert len(counts) == 23
    assert stats.chisquare(counts).pvalue > 0.01


def test_no_choice_of_sets_recurs_at_every_seed_or_for_every_pair_of_tasks():
    top = frozenset({Head(0, 1), Head(1, 2), Head(1, 5)})

    def drawn(*, model: str, target: str = "reverse", source: str = "copy") -> set[frozenset[Head]]:
        unit = Unit("set_ablation", "1", Checkpoint(Path(), 1, model), target, {"data_seed": 0, "n_sets": 20})
        return set(other_sets(top, 12, unit, source))

    first = drawn(model="seed 0")
    assert first == drawn(model="seed 0")
    # 20 of 791 sets each time: two independent draws share half a set on average.
    others = [drawn(model="seed 1"), drawn(model="seed 0", target="sort"), drawn(model="seed 0", source="sort")]
    assert all(len(first & other) <= 4 for other in others)


def test_the_frame_names_the_sets(llama, prompts):
    frame = set_ablation(llama, prompts, [{Head(0, 1), Head(2, 0)}, {Head(1, 3)}]).to_frame()
    assert frame[frame.outcome == "log_prob"]["set"].tolist() == ["0.1 2.0", "1.3"]
    assert frame[frame.outcome == "log_prob"].n_heads.tolist() == [2, 1]
    assert set(zip(frame.replacement, frame.position, strict=True)) == {("mean", "each")}


def test_a_head_that_does_not_exist_is_refused(llama, prompts):
    with pytest.raises(HeadreuseError, match=r"there is no head 3\.0: the model has 3 layers of 4 heads"):
        set_ablation(llama, prompts, [{Head(0, 0)}, {Head(3, 0)}])


def test_an_unknown_replacement_or_position_is_refused(llama, prompts):
    with pytest.raises(HeadreuseError, match="unknown replacement 'nothing'; choose from: mean, resample, zero"):
        set_ablation(llama, prompts, [{Head(0, 0)}], replacement="nothing")
    with pytest.raises(HeadreuseError, match=r"unknown position 'pool'.*choose from: each, role, pooled"):
        set_ablation(llama, prompts, [{Head(0, 0)}], position="pool")
