"""Does the tree give what each head set gives by itself? Covers `interventions/coalitions.py`."""

import numpy as np
import pytest
import torch
from decoders import ARCHITECTURES, N_HEADS, N_LAYERS, UNBRIDGED, answered_prompts, random_model

from headreuse.interventions import coalitions
from headreuse.interventions.ablate import ablate, group_by_group
from headreuse.interventions.coalitions import ablate_coalitions, by_tree, way_for
from headreuse.interventions.replacements import replacement_for
from headreuse.interventions.subject import FullPassWarning, Runner, prepare
from headreuse.records import OUTCOMES, Head


def drawn_sets(n_sets: int, generator: np.random.Generator) -> list[frozenset[Head]]:
    """Half of the heads each; the empty set, all heads, one layer alone, and one set twice."""
    every = [Head(layer, head) for layer in range(N_LAYERS) for head in range(N_HEADS)]
    sets = [frozenset(head for head in every if generator.random() < 0.5) for _ in range(n_sets)]
    return [*sets, frozenset(), frozenset(every), frozenset(every[-N_HEADS:]), sets[0]]


def outcomes_of(ablated):
    return np.stack([ablated.outcomes[name] for name in OUTCOMES])


@pytest.mark.parametrize("name", ["llama_gqa", "gemma2", "phi"])
def test_the_tree_gives_what_each_set_gives_by_itself(name, generator):
    model = random_model(name)
    subject = prepare(model, answered_prompts(model, generator, n_prompts=5))
    sets, mean = drawn_sets(24, generator), replacement_for(subject, "mean", "each")
    assert way_for(subject) is by_tree
    found, expected = ablate_coalitions(subject, sets, mean), ablate(subject, sets, mean)
    np.testing.assert_allclose(outcomes_of(found), outcomes_of(expected), atol=1e-5, rtol=1e-5)
    assert (outcomes_of(found).std(axis=1) > 0).any(axis=-1).all()
    assert found.baseline.keys() == expected.baseline.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ARCHITECTURES, *UNBRIDGED])
@pytest.mark.filterwarnings("ignore::headreuse.interventions.subject.FullPassWarning")
def test_the_tree_gives_what_each_set_gives_on_every_architecture(name, generator):
    model = random_model(name)
    subject = prepare(model, answered_prompts(model, generator))
    sets, mean = drawn_sets(40, generator), replacement_for(subject, "mean", "each")
    found, expected = ablate_coalitions(subject, sets, mean), ablate(subject, sets, mean)
    np.testing.assert_allclose(outcomes_of(found), outcomes_of(expected), atol=3e-5, rtol=1e-5)


@pytest.mark.parametrize("budget", [1, 100_000])
def test_the_memory_budget_cuts_prompts_and_nodes_and_changes_no_number(budget, generator):
    model = random_model("llama_gqa")
    prompts = answered_prompts(model, generator, n_prompts=2)
    sets = drawn_sets(4, generator)
    found = []
    for subject in (prepare(model, prompts), prepare(model, prompts, memory_budget=budget)):
        found.append(outcomes_of(ablate_coalitions(subject, sets, replacement_for(subject, "resample", "each"))))
    np.testing.assert_allclose(found[1], found[0], atol=1e-5, rtol=1e-5)


def test_attention_runs_once_for_each_choice_of_heads_in_the_layers_before(generator, monkeypatch):
    model = random_model("llama_gqa")
    subject = prepare(model, answered_prompts(model, generator, n_prompts=2))
    n_nodes = dict.fromkeys(range(N_LAYERS), 0)
    before = coalitions._Tree._before

    def counting(tree, layer, n, resid_pre):
        n_nodes[layer] += n
        return before(tree, layer, n, resid_pre)

    a, b, c = Head(0, 1), Head(1, 2), Head(2, 0)
    sets = [frozenset(heads) for heads in ([a], [a, b], [a, b, c], [b], [c], [], [a, c])]
    way = way_for(subject)
    monkeypatch.setattr(coalitions._Tree, "_before", counting)
    ablate(subject, sets, replacement_for(subject, "zero", "each"), way)
    # Before layer 1 the sets differ in whether they hold a; before layer 2 in what they hold of a and b.
    assert n_nodes == {0: 0, 1: 2, 2: 4}


def test_where_the_blocks_cannot_be_called_one_by_one_each_set_is_replayed_by_itself(generator, monkeypatch):
    model = random_model("llama_gqa")
    subject = prepare(model, answered_prompts(model, generator, n_prompts=2))
    calls = coalitions._calls

    def wrong_positions(anatomy, tokens):
        return [(args, kwargs | {"position_embeddings": None}) for args, kwargs in calls(anatomy, tokens)]

    monkeypatch.setattr(coalitions, "_calls", wrong_positions)
    with pytest.warns(FullPassWarning, match="LlamaForCausalLM: its blocks cannot be called one by one"):
        assert way_for(subject) is group_by_group


def test_where_the_replay_does_not_fit_there_is_no_tree(generator):
    model = random_model("bloom")
    with pytest.warns(FullPassWarning):
        subject = prepare(model, answered_prompts(model, generator, n_prompts=3))
    assert isinstance(subject.runner, Runner)
    sets, mean = drawn_sets(4, generator), replacement_for(subject, "mean", "each")
    found = ablate_coalitions(subject, sets, mean)
    np.testing.assert_array_equal(outcomes_of(found), outcomes_of(ablate(subject, sets, mean)))


def test_no_forward_is_left_behind(generator):
    model = random_model("llama_gqa")
    prompts = answered_prompts(model, generator, n_prompts=3)
    before = model(torch.as_tensor(prompts.tokens)).logits
    subject = prepare(model, prompts)
    ablate_coalitions(subject, drawn_sets(5, generator), replacement_for(subject, "zero", "each"))
    assert torch.equal(model(torch.as_tensor(prompts.tokens)).logits, before)
    assert all("forward" not in module.__dict__ for module in model.modules())
