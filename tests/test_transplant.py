"""What a donor's heads do in its twin: against plain hooks, models assembled by hand, and worked arithmetic.

Covers `interventions/transplant.py`, `models/head_weights.py` and the script `analyses/transplant.py`.
"""

import copy

import numpy as np
import pytest
import torch
from decoders import N_HEADS, N_LAYERS, answered_prompts, random_model, slow_outcomes
from random_runs import measured_folder

import headreuse
from analyses import transplant as script
from headreuse.errors import HeadreuseError
from headreuse.interventions.transplant import Transplants, TwinWarning, transplant
from headreuse.overlap import compare
from headreuse.records import Head

ALL = [Head(layer, index) for layer in range(N_LAYERS) for index in range(N_HEADS)]
READERS = ("q_proj", "k_proj", "v_proj")


@pytest.fixture(scope="module")
def receiver():
    return random_model("llama")


@pytest.fixture
def prompts(receiver, generator):
    return answered_prompts(receiver, generator)


def differing_in(receiver, names):
    """A copy whose parts of these names have other weights."""
    donor = copy.deepcopy(receiver)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, part in donor.named_modules():
            if name.endswith(names):
                part.weight.copy_(0.4 * torch.randn(part.weight.shape, generator=generator))
    return donor


def answered(model, prompts):
    with torch.no_grad():
        return slow_outcomes(model(torch.as_tensor(prompts.tokens), use_cache=False).logits, prompts)


def weights(model):
    return {name: values.clone() for name, values in model.state_dict().items()}


@pytest.fixture(scope="module")
def donor(receiver):
    return differing_in(receiver, (*READERS, "o_proj"))


def test_z_of_every_head_is_that_of_a_slow_loop(receiver, donor, prompts):
    found = transplant(donor, receiver, prompts, are_twins=True)
    projections = [[layer.self_attn.o_proj for layer in model.model.layers] for model in (donor, receiver)]
    seen = []
    handles = [part.register_forward_pre_hook(lambda _m, args: seen.append(args[0].clone())) for part in projections[0]]
    answered(donor, prompts)
    for handle in handles:
        handle.remove()
    scores = found.head_scores()
    before = answered(receiver, prompts)
    for layer, head in [(0, 1), (1, 3), (2, 0)]:

        def moved(_module, args, layer=layer, head=head):
            z, theirs = (one.unflatten(-1, (N_HEADS, -1)).clone() for one in (args[0], seen[layer]))
            z[:, :, head] = theirs[:, :, head]
            return (z.flatten(-2),)

        handle = projections[1][layer].register_forward_pre_hook(moved)
        after = answered(receiver, prompts)
        handle.remove()
        for outcome, values in after.items():
            np.testing.assert_allclose(
                scores.effects[outcome][layer, head], values - before[outcome], atol=1e-4, err_msg=outcome
            )
    assert compare(scores, scores)["value"].notna().any()


def test_with_all_z_a_receiver_that_differs_in_what_heads_read_is_the_donor(receiver, prompts):
    donor = differing_in(receiver, READERS)
    found = transplant(donor, receiver, prompts, [ALL, []], are_twins=True)
    for outcome in ("exact_match", "log_prob"):
        np.testing.assert_allclose(found.outcomes[outcome][0], answered(donor, prompts)[outcome], atol=1e-4)
        np.testing.assert_array_equal(found.outcomes[outcome][1], found.receiver[outcome])
        np.testing.assert_allclose(found.donor[outcome], answered(donor, prompts)[outcome], atol=1e-4)
    assert found.closed("log_prob") == pytest.approx([1, 0], abs=1e-4)


def test_weights_of_heads_make_the_model_that_is_assembled_by_hand(receiver, donor, prompts):
    some = [Head(0, 2), Head(2, 1)]
    own = weights(receiver)
    found = transplant(donor, receiver, prompts, [ALL, some], what="weights", are_twins=True)
    whole, part = copy.deepcopy(receiver), copy.deepcopy(receiver)
    whole.load_state_dict(donor.state_dict())  # the two differ in nothing but their attention
    for layer, head in ((0, 2), (2, 1)):
        mine, theirs = (model.model.layers[layer].self_attn for model in (part, donor))
        rows = slice(8 * head, 8 * head + 8)
        with torch.no_grad():
            for name in READERS:
                getattr(mine, name).weight[rows] = getattr(theirs, name).weight[rows]
            mine.o_proj.weight[:, rows] = theirs.o_proj.weight[:, rows]
    for place, model in enumerate((whole, part)):
        for outcome, values in answered(model, prompts).items():
            np.testing.assert_allclose(found.outcomes[outcome][place], values, atol=1e-5)
    assert all(torch.equal(values, own[name]) for name, values in receiver.state_dict().items())


@pytest.mark.parametrize("what", ["z", "weights"])
def test_into_itself_nothing_changes(receiver, prompts, what):
    found = transplant(receiver, receiver, prompts, what=what, are_twins=True)
    for outcome, values in found.outcomes.items():
        np.testing.assert_allclose(values, np.tile(found.receiver[outcome], (len(ALL), 1)), atol=1e-5, err_msg=outcome)
    if what == "weights":
        np.testing.assert_array_equal(found.gain("log_prob"), 0)
    assert np.isnan(found.closed("exact_match")).all()


def test_the_gap_that_is_closed_by_hand():
    baseline, donor = {"exact_match": np.array([0.0, 0.5])}, {"exact_match": np.array([1.0, 1.0])}
    sets = (frozenset({Head(0, 0)}), frozenset({Head(0, 1)}))
    outcomes = {"exact_match": np.array([[0.5, 0.5], [0.0, 0.2]])}
    found = Transplants("copy", 3, "z", sets, 2, baseline, donor, outcomes)
    assert found.gain("exact_match") == pytest.approx([0.25, -0.15])
    assert found.closed("exact_match") == pytest.approx([1 / 3, -0.2])
    assert found.head_scores().effect("exact_match") == pytest.approx(np.array([[0.25, -0.15]]))


def test_what_cannot_be_transplanted_is_refused_in_one_line(receiver, prompts, generator):
    with pytest.raises(HeadreuseError, match=r"no twins: .*num_key_value_heads is 2 and 4"):
        transplant(random_model("llama_gqa"), receiver, prompts)
    with pytest.raises(HeadreuseError, match=r"there is no head 7\.0: the model has 3 layers of 4 heads"):
        transplant(receiver, receiver, prompts, [[Head(7, 0)]], are_twins=True)
    with pytest.raises(
        HeadreuseError, match=r"unknown part of a head 'weigths' .did you mean 'weights'.*choose z, weights"
    ):
        transplant(receiver, receiver, prompts, what="weigths", are_twins=True)
    with pytest.raises(HeadreuseError, match="donor_prompts have another size"):
        transplant(receiver, receiver, prompts, donor_prompts=prompts[:3], are_twins=True)
    with pytest.raises(HeadreuseError, match="of every head alone"):
        transplant(receiver, receiver, prompts, [[Head(0, 0)]], are_twins=True).head_scores()
    gpt2 = random_model("gpt2")
    with pytest.raises(HeadreuseError, match=r"GPT2Attention has c_attn.* take what heads write"):
        transplant(gpt2, gpt2, answered_prompts(gpt2, generator), what="weights", are_twins=True)


def test_heads_that_share_keys_and_values_move_as_a_whole_group(generator):
    receiver = random_model("llama_gqa")
    donor, prompts = differing_in(receiver, (*READERS, "o_proj")), answered_prompts(receiver, generator)
    with pytest.raises(HeadreuseError, match=r"heads 0\.0, 0\.1 share their keys and values"):
        transplant(donor, receiver, prompts, what="weights", are_twins=True)
    own = weights(receiver)
    found = transplant(donor, receiver, prompts, [[Head(1, 2), Head(1, 3)], ALL], what="weights", are_twins=True)
    assert all(torch.equal(values, own[name]) for name, values in receiver.state_dict().items())
    by_hand = copy.deepcopy(receiver)
    mine, theirs = (model.model.layers[1].self_attn for model in (by_hand, donor))
    with torch.no_grad():
        mine.q_proj.weight[16:] = theirs.q_proj.weight[16:]
        mine.k_proj.weight[8:], mine.v_proj.weight[8:] = theirs.k_proj.weight[8:], theirs.v_proj.weight[8:]
        mine.o_proj.weight[:, 16:] = theirs.o_proj.weight[:, 16:]
    for place, model in enumerate((by_hand, donor)):
        np.testing.assert_allclose(found.outcomes["log_prob"][place], answered(model, prompts)["log_prob"], atol=1e-5)


def test_models_of_unknown_origin_are_warned_of(receiver, donor, prompts):
    assert headreuse.transplant is transplant
    with pytest.warns(TwinWarning, match="started from the same weights"):
        transplant(donor, receiver, prompts, [ALL])


@pytest.mark.slow
def test_the_script_moves_heads_between_two_groups_of_a_run_folder_both_ways(tmp_path):
    pair = {"main": {"task": "copy", "max_length": 1}, "auxiliary": [{"task": "reverse", "max_length": 2}]}
    alone = {"name": "alone", "twins": "one", "main": pair["main"], "transfer_to": 2}
    study = {
        "name": "pairs",
        "alphabet_size": 2,
        "model": {"n_layers": 2, "n_heads": 3, "d_model": 12},
        "training": {"steps": 1, "checkpoints": {"at": [1]}},
        "measures": {"n_examples": 4, "n_score_examples": 8, "beyond": 0, "top_k": 2, "functional_sets": 2},
        "groups": [{"name": name, "twins": "one"} | pair for name in ("joint", "other")] + [alone],
    }
    folder = measured_folder(tmp_path / "run", study)
    table = script.run(folder, "joint", "other")
    assert set(table["donor"]) == {"joint", "other"} == set(table["receiver"])
    assert table["are_twins"].all()
    assert set(table["length"]) == {1, 2}
    models = {name: script.last_models(folder, folder.study.group(name))[0] for name in ("joint", "other")}
    row = table.query("donor == 'other' and moved == 'main' and what == 'weights' and outcome == 'log_prob'").iloc[-1]
    n = folder.study.measures.n_score_examples
    prompts = models["joint"].prompts(folder.study, "copy", int(row["length"]), n)
    heads = [Head(*map(int, head.split("."))) for head in row["heads"].split()]
    ours = (models[name].decoder for name in ("other", "joint"))
    found = transplant(*ours, prompts, [heads], what="weights", are_twins=True)
    assert row["gain"] == pytest.approx(found.gain("log_prob")[0])
    assert row["closed"] == pytest.approx(found.closed("log_prob")[0])
    assert not script.run(folder, "joint", "alone")["are_twins"].any()  # its vocabulary is smaller
    with pytest.raises(LookupError, match="unknown group 'jiont'"):
        script.run(folder, "jiont", "other")
