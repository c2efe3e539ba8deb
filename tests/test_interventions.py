"""Is the replay exact, whatever the architecture, the prompts' lengths and the memory, and does it leave no trace?

Covers `interventions/ablate.py`, `interventions/batch.py`, `interventions/budget.py`, `interventions/full_pass.py`,
`interventions/last_block.py`, `interventions/replay.py` and `interventions/subject.py`.
"""

import copy
import warnings

import numpy as np
import pytest
import torch
from decoders import (
    ARCHITECTURES,
    D_VOCAB,
    N_HEADS,
    N_LAYERS,
    PROJECTIONS,
    UNBRIDGED,
    answered_prompts,
    bridge_of,
    random_model,
    slow_outcomes,
)

from headreuse.errors import HeadreuseError
from headreuse.interventions.budget import GIBIBYTE
from headreuse.interventions.subject import FULL_PASSES, REPLAY, FullPassWarning, prepare
from headreuse.records import Prompts, Role
from headreuse.scores import mean_ablation, zero_ablation

ALL_HEADS = [(layer, head) for layer in range(N_LAYERS) for head in range(N_HEADS)]


def assert_equal_to(scores, clean, ablated):
    """`ablated[layer, head]` are slow outcomes; exact match must agree exactly, log-probabilities to 1e-4."""
    np.testing.assert_array_equal(scores.baseline["exact_match"], clean["exact_match"])
    for layer, head in ALL_HEADS:
        expected = {name: clean[name] - ablated[layer, head][name] for name in clean}
        np.testing.assert_array_equal(scores.effects["exact_match"][layer, head], expected["exact_match"])
        np.testing.assert_allclose(scores.effects["log_prob"][layer, head], expected["log_prob"], atol=1e-4)


def by_bridge(bridge, prompts, values):
    """Outcomes by TransformerLens with each head's z set to `values[layer][:, :, head]`."""
    tokens = torch.as_tensor(prompts.tokens)
    found = {}
    for layer, head in ALL_HEADS:

        def replace(z, hook, layer=layer, head=head):
            z = z.clone()
            z[:, :, head] = values[layer][:, :, head]
            return z

        with torch.no_grad():
            hooks = [(f"blocks.{layer}.attn.hook_z", replace)]
            logits = bridge.run_with_hooks(tokens, prepend_bos=False, fwd_hooks=hooks)
        found[layer, head] = slow_outcomes(logits, prompts)
    with torch.no_grad():
        return slow_outcomes(bridge(tokens, prepend_bos=False), prompts), found


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_replay_equals_transformer_lens_on_every_architecture(name, tmp_path, generator):
    model = random_model(name)
    prompts = answered_prompts(model, generator)
    bridge = bridge_of(model, str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error", FullPassWarning)
        scores = mean_ablation(model, prompts)
        from_bridge = mean_ablation(bridge, prompts)
    _, cache = bridge.run_with_cache(torch.as_tensor(prompts.tokens), prepend_bos=False)
    means = [cache["z", layer].mean(0, keepdim=True) for layer in range(N_LAYERS)]
    clean, ablated = by_bridge(bridge, prompts, means)
    assert set(clean["exact_match"]) == {0.0, 1.0}
    assert 0 < np.mean([found["exact_match"] != clean["exact_match"] for found in ablated.values()]) < 1
    assert_equal_to(scores, clean, ablated)
    assert_equal_to(from_bridge, clean, ablated)


FULL_PASSES_NEEDED = {
    "bloom": "its attention adds the residual stream itself",
    "bert": "its output projection lies outside the part that mixes positions",
    "roberta": "the same",
    "electra": "the same",
}


@pytest.mark.parametrize("name", UNBRIDGED)
def test_other_architectures_equal_plain_hooks(name, generator):
    model = random_model(name)
    prompts = answered_prompts(model, generator)
    tokens = torch.as_tensor(prompts.tokens)
    if name in FULL_PASSES_NEEDED:
        with pytest.warns(FullPassWarning, match=f"{type(model).__name__}: its structure does not fit the replay"):
            scores = zero_ablation(model, prompts)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FullPassWarning)
            scores = zero_ablation(model, prompts)
    ablated = {}
    projections = [part for part_name, part in model.named_modules() if part_name.endswith(PROJECTIONS[name])]
    assert len(projections) == N_LAYERS
    for layer, head in ALL_HEADS:

        def silence(_module, args, head=head):
            z = args[0].clone()
            d_head = z.shape[-1] // N_HEADS
            z[..., head * d_head : (head + 1) * d_head] = 0
            return (z,)

        handle = projections[layer].register_forward_pre_hook(silence)
        with torch.no_grad():
            ablated[layer, head] = slow_outcomes(model(tokens, use_cache=False).logits, prompts)
        handle.remove()
    with torch.no_grad():
        assert_equal_to(scores, slow_outcomes(model(tokens, use_cache=False).logits, prompts), ablated)


@pytest.mark.parametrize("name", ["llama_gqa", "gpt2", "gemma2", "gpt_neox", "mistral_window"])
def test_right_padded_prompts_of_unequal_lengths_give_what_single_prompts_give(name, generator):
    model = random_model(name)
    singles = [
        answered_prompts(model, generator, n_prompts=1, n_inputs=n_inputs, n_answer=n_answer)
        for n_inputs, n_answer in [(4, 2), (9, 3), (6, 5)]
    ]
    width = max(single.tokens.shape[1] for single in singles)

    def padded(field):
        rows = [getattr(single, field)[0] for single in singles]
        return np.stack([np.pad(row, (0, width - len(row))) for row in rows])

    fields = {field: padded(field) for field in ("tokens", "corrupted", "roles", "scored")}
    with warnings.catch_warnings():
        warnings.simplefilter("error", FullPassWarning)
        together = zero_ablation(model, Prompts("made_up", **fields, lengths=np.array([2, 5, 4])))
    for row, single in enumerate(singles):
        alone = zero_ablation(model, single)
        np.testing.assert_array_equal(together.effects["exact_match"][..., [row]], alone.effects["exact_match"])
        for outcome in ("log_prob", "logit_diff", "token_accuracy"):
            np.testing.assert_allclose(together.effects[outcome][..., [row]], alone.effects[outcome], atol=1e-4)


@pytest.mark.parametrize("budget", [1, 200_000, GIBIBYTE])
def test_the_memory_budget_changes_no_number(budget, generator):
    model = random_model("llama_gqa")
    prompts = answered_prompts(model, generator, n_prompts=7)
    expected = mean_ablation(model, prompts)
    found = mean_ablation(model, prompts, memory_budget=budget)
    np.testing.assert_array_equal(found.effects["exact_match"], expected.effects["exact_match"])
    np.testing.assert_allclose(found.effects["log_prob"], expected.effects["log_prob"], atol=1e-5)


def test_the_memory_budget_decides_how_the_work_is_cut(generator):
    model = random_model("llama")
    prompts = answered_prompts(model, generator, n_prompts=7)
    tight, roomy = (prepare(model, prompts, memory_budget=budget) for budget in (1, GIBIBYTE))
    assert [len(run.tokens) for _, run in tight.runs()] == [1] * 7
    assert not tight._kept
    assert [len(run.tokens) for _, run in roomy.runs()] == [7]
    assert next(iter(roomy.runs()))[1] is next(iter(roomy.runs()))[1]


def test_swapped_weights_are_what_is_measured(generator):
    model, other = random_model("llama"), random_model("llama", seed=1)
    prompts = answered_prompts(model, generator)
    expected = zero_ablation(other, prompts).effects["log_prob"]
    assert not np.allclose(zero_ablation(model, prompts).effects["log_prob"], expected, atol=1e-2)
    model.load_state_dict(other.state_dict())
    np.testing.assert_array_equal(zero_ablation(model, prompts).effects["log_prob"], expected)


def test_the_replay_is_checked_again_when_weights_have_changed(generator):
    model, other = random_model("bloom"), random_model("bloom")
    prompts = answered_prompts(other, generator)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    assert prepare(model, prompts).runner is REPLAY  # of zeros, nothing can be told apart
    model.load_state_dict(other.state_dict())
    with pytest.warns(FullPassWarning):
        assert prepare(model, prompts).runner is FULL_PASSES


@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_the_model_is_left_as_it_was_also_after_an_exception(name, generator, monkeypatch):
    model = random_model(name)
    prompts = answered_prompts(model, generator)
    tokens = torch.as_tensor(prompts.tokens)
    before, weights = model(tokens).logits, copy.deepcopy(model.state_dict())
    implementation = model.config._attn_implementation
    mean_ablation(model, prompts)
    mlp = model.model.layers[-1].mlp
    n_calls = 0

    def failing(*args, **kwargs):
        nonlocal n_calls
        n_calls += 1
        if n_calls > 30:
            raise MemoryError("in the middle of a replay")
        return type(mlp).forward(mlp, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setitem(mlp.__dict__, "forward", failing)
        with pytest.raises(MemoryError):
            mean_ablation(model, answered_prompts(model, generator, n_prompts=40), memory_budget=1)
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert "forward" not in module.__dict__
    assert torch.equal(model(tokens).logits, before)
    assert all(torch.equal(weight, weights[key]) for key, weight in model.state_dict().items())
    assert model.config._attn_implementation == implementation
    assert not model.training
    assert all(weight.grad is None for weight in model.parameters())


def test_train_mode_is_refused(generator):
    model = random_model("llama")
    prompts = answered_prompts(model, generator)
    with pytest.raises(HeadreuseError, match=r"LlamaForCausalLM is in train mode.*call model\.eval\(\)"):
        zero_ablation(model.train(), prompts)
    model.eval().model.layers[1].mlp.train()
    with pytest.raises(HeadreuseError, match="train mode"):
        zero_ablation(model, prompts)


def test_nan_weights_are_named(generator):
    model = random_model("llama")
    prompts = answered_prompts(model, generator)
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[0, 0] = torch.nan
    with pytest.raises(HeadreuseError, match=r"its weights hold NaN, first in model\.layers\.1\.mlp\.up_proj"):
        zero_ablation(model, prompts)


def test_nan_that_comes_after_the_heads_were_found_is_named_too(generator):
    model = random_model("llama")
    prompts = answered_prompts(model, generator)
    zero_ablation(model, prompts)
    with torch.no_grad():
        model.lm_head.weight[0, 0] = torch.nan
    with pytest.raises(HeadreuseError, match=r"answers NaN: its weights hold NaN, first in lm_head\.weight"):
        zero_ablation(model, prompts)


def test_another_type_works_on_a_copy(generator):
    model = random_model("llama_gqa")
    prompts = answered_prompts(model, generator)
    exact = zero_ablation(model, prompts)
    rough = zero_ablation(model, prompts, dtype=torch.bfloat16)
    assert model.dtype == torch.float32
    assert not np.array_equal(exact.effects["log_prob"], rough.effects["log_prob"])
    np.testing.assert_allclose(exact.effect("log_prob"), rough.effect("log_prob"), atol=0.3)


def test_outcomes_of_a_model_in_low_precision_are_computed_in_single_precision(generator):
    model = random_model("llama_gqa").to(torch.bfloat16)
    prompts = answered_prompts(model, generator)
    logits = prepare(model, prompts).run_on(torch.as_tensor(prompts.tokens), slice(0, 16)).logits
    at_slots = torch.zeros(*prompts.tokens.shape, D_VOCAB, dtype=logits.dtype)
    at_slots[:, [position - 1 for position in np.flatnonzero(prompts.scored[0])]] = logits
    assert logits.dtype == torch.bfloat16
    found = zero_ablation(model, prompts).baseline["log_prob"]
    np.testing.assert_allclose(found, slow_outcomes(at_slots, prompts)["log_prob"], atol=1e-5)


def test_a_model_with_gradients_off_and_an_eager_one_are_replayed_too(generator):
    model = random_model("llama")
    prompts = answered_prompts(model, generator)
    eager = random_model("llama", attn_implementation="eager").requires_grad_(False)
    assert prepare(eager, prompts).runner is REPLAY
    expected = zero_ablation(model, prompts).effects["log_prob"]
    np.testing.assert_allclose(zero_ablation(eager, prompts).effects["log_prob"], expected, atol=1e-5)


def test_padding_in_the_middle_of_nothing_is_not_scored(generator):
    model = random_model("llama")
    prompts = answered_prompts(model, generator)
    roles = prompts.roles.copy()
    roles[0, 3] = Role.SEPARATOR
    unaligned = Prompts("made_up", prompts.tokens, prompts.corrupted, roles, prompts.scored, prompts.lengths)
    with pytest.raises(HeadreuseError, match=r"not of one layout, .* give position='pooled'"):
        mean_ablation(model, unaligned)
    assert mean_ablation(model, unaligned, position="pooled").effects["log_prob"].shape == (N_LAYERS, N_HEADS, 16)
