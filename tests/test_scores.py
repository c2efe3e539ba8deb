"""Does every score find the heads that matter, and is it what a slow loop or TransformerLens gives?

Covers `scores/_registry.py`, `scores/_ablation.py`, `scores/_patching.py`, `scores/mean_ablation.py`,
`scores/zero_ablation.py`, `scores/resample_ablation.py`, `scores/activation_patching.py`, `scores/denoising.py`,
`scores/attribution_patching.py`, `scores/direct_effect.py`, `interventions/components.py`,
`interventions/direct_path.py`, `interventions/frozen.py` and `interventions/replacements.py`.
"""

import subprocess
import sys
import warnings
from dataclasses import replace
from functools import cache
from inspect import signature
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
import torch
from decoders import D_VOCAB, N_HEADS, N_LAYERS, answered_prompts, bridge_of, random_model, slow_outcomes
from transformer_lens import patching

from headreuse import scores
from headreuse.errors import HeadreuseError
from headreuse.evaluation import evaluate
from headreuse.models.anatomy import Decoder
from headreuse.records import OUTCOMES, HeadScores, Prompts, Role
from headreuse.scores import (
    SCORES,
    activation_patching,
    attribution_patching,
    denoising,
    direct_effect,
    mean_ablation,
    resample_ablation,
    zero_ablation,
)
from headreuse.scores._patching import corrupted_inputs
from headreuse.scores.attribution_patching import CompletenessWarning
from headreuse.study.measure_spec import PATTERN_SCORES

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "headreuse" / "scores"
OF_OUTCOMES = [name for name in SCORES if name not in PATTERN_SCORES]
"""Those that say what is lost; `test_induction.py` tests the others, which need prompts that repeat symbols."""
FEWER = {"banzhaf": {"n_subsets": 48}, "shapley": {"n_subsets": 48}}
"""Settings with which a score takes less time than by default."""
ALL_HEADS = [(layer, head) for layer in range(N_LAYERS) for head in range(N_HEADS)]


@pytest.fixture
def llama():
    return random_model("llama_gqa")


@pytest.fixture(scope="module")
def with_bridge(tmp_path_factory):
    """`with_bridge(architecture)`: a model and a bridge of the same weights, booted once."""

    @cache
    def build(architecture):
        model = random_model(architecture)
        return model, bridge_of(model, str(tmp_path_factory.mktemp(architecture)))

    return build


@pytest.fixture
def prompts(llama, generator):
    return answered_prompts(llama, generator)


def all_z(model, tokens):
    """Every layer's z by plain hooks, `prompt pos z`."""
    seen, handles = [], []
    for layer in model.model.layers:
        hook = layer.self_attn.o_proj.register_forward_pre_hook(lambda _m, args: seen.append(args[0].clone()))
        handles.append(hook)
    with torch.no_grad():
        model(torch.as_tensor(tokens), use_cache=False)
    for handle in handles:
        handle.remove()
    return [z.unflatten(-1, (N_HEADS, -1)) for z in seen]


def with_z(model, prompts, layer, head, value):
    """Slow outcomes with one head's z set by a plain hook, `value` being `prompt pos d_head` or broadcastable."""

    def replace(_module, args):
        z = args[0].unflatten(-1, (N_HEADS, -1)).clone()
        z[:, :, head] = value
        return (z.flatten(-2),)

    handle = model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(replace)
    with torch.no_grad():
        logits = model(torch.as_tensor(prompts.tokens), use_cache=False).logits
    handle.remove()
    return slow_outcomes(logits, prompts)


def assert_effects(model, prompts, scores, value_of):
    """Against the slow loop, `value_of(layer, head)` being what the head writes."""
    with torch.no_grad():
        clean = slow_outcomes(model(torch.as_tensor(prompts.tokens), use_cache=False).logits, prompts)
    for layer, head in ALL_HEADS:
        found = with_z(model, prompts, layer, head, value_of(layer, head))
        np.testing.assert_array_equal(
            scores.effects["exact_match"][layer, head], clean["exact_match"] - found["exact_match"]
        )
        np.testing.assert_allclose(
            scores.effects["log_prob"][layer, head], clean["log_prob"] - found["log_prob"], atol=1e-4
        )


def test_every_file_of_the_folder_is_a_score_of_its_name_and_is_exported():
    files = [path.stem for path in sorted(FOLDER.glob("*.py")) if not path.stem.startswith("_")]
    assert list(SCORES) == files
    assert set(scores.__all__) == {*files, "SCORES", "Score", "synergy"}
    for name in files:
        assert SCORES[name].function is getattr(scores, name)
        assert SCORES[name].name == name


@pytest.mark.parametrize("name", SCORES)
def test_every_score_takes_a_decoder_and_prompts_and_says_whether_it_has_a_position(name):
    parameters = signature(SCORES[name].function).parameters
    hints = get_type_hints(SCORES[name].function)
    assert list(parameters)[:2] == ["model", "prompts"]
    assert (hints["model"], hints["prompts"]) == (Decoder, Prompts)
    assert issubclass(hints["return"], HeadScores)
    assert SCORES[name].has_position == ("position" in parameters)


@pytest.mark.slow
def test_a_users_file_passes_the_type_check(tmp_path):
    file = tmp_path / "use.py"
    lines = ["from transformer_lens.model_bridge import TransformerBridge", "from transformers import PreTrainedModel"]
    lines += ["from headreuse.records import HeadScores, Prompts", f"from headreuse.scores import {', '.join(SCORES)}"]
    lines += ["def use(model: PreTrainedModel, bridge: TransformerBridge, prompts: Prompts) -> list[HeadScores]:"]
    lines += [f"    return [{', '.join(f'{name}(model, prompts), {name}(bridge, prompts)' for name in SCORES)}]"]
    file.write_text("\n".join(lines))
    done = subprocess.run([sys.executable, "-m", "mypy", str(file)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["mean_ablation", "resample_ablation", "zero_ablation"])
def test_fitting_pools_over_positions_only_where_prompts_are_not_aligned(name, llama, prompts):
    settings = {"position": "pooled"} if SCORES[name].has_position else {}
    roles = prompts.roles.copy()
    roles[0, 3] = Role.SEPARATOR
    for given, position in ((prompts, {}), (replace(prompts, roles=roles), settings)):
        found, expected = SCORES[name].fitting(llama, given), SCORES[name](llama, given, **position)
        np.testing.assert_array_equal(found.effects["log_prob"], expected.effects["log_prob"])


@pytest.mark.parametrize("name", OF_OUTCOMES)
@pytest.mark.parametrize(("task", "head"), [("A", (0, 1)), ("B", (0, 1)), ("C", (1, 2))])
def test_score_finds_the_planted_head(name, task, head, planted_model, generator):
    scores = SCORES[name](planted_model.model, planted_model.prompts(task, 16, generator), **FEWER.get(name, {}))
    for outcome, values in scores.effects.items():
        mean = values.mean(-1)
        assert np.argwhere(np.abs(mean) > 0.01 * np.abs(mean).max()).tolist() == [list(head)], outcome
        assert mean[head] > 0


@pytest.mark.parametrize("name", OF_OUTCOMES)
def test_every_score_has_labels_baselines_and_one_value_per_example(name, llama, prompts):
    scores = SCORES[name](llama, prompts, **FEWER.get(name, {}))
    baseline = evaluate(llama, prompts).outcomes
    assert scores.method == name
    assert set(scores.effects) <= set(scores.baseline)
    for outcome in set(scores.baseline) & set(OUTCOMES):
        np.testing.assert_allclose(scores.baseline[outcome], baseline[outcome], atol=1e-4)
    for values in scores.effects.values():
        assert values.shape == (N_LAYERS, N_HEADS, len(prompts))
        assert np.isfinite(values).all()
    labelled, frame = scores.to_xarray(), scores.to_frame()
    assert labelled.sizes == {"layer": N_LAYERS, "head": N_HEADS, "example": len(prompts)}
    assert len(frame) == len(scores.effects) * N_LAYERS * N_HEADS
    outcome = next(iter(scores.effects))
    row = frame[(frame.outcome == outcome) & (frame["layer"] == 1) & (frame["head"] == 2)]
    assert row.effect.item() == pytest.approx(float(labelled[outcome].sel(layer=1, head=2).mean()), abs=1e-6)


@pytest.mark.parametrize("name", OF_OUTCOMES)
def test_a_score_is_the_same_again_and_leaves_no_hook(name, llama, prompts):
    tokens = torch.as_tensor(prompts.tokens)
    before = llama(tokens).logits
    first, second = (SCORES[name](llama, prompts, **FEWER.get(name, {})) for _ in range(2))
    for outcome in first.effects:
        np.testing.assert_array_equal(first.effects[outcome], second.effects[outcome])
    assert torch.equal(llama(tokens).logits, before)
    for module in llama.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert "forward" not in module.__dict__


@pytest.mark.parametrize("name", OF_OUTCOMES)
@pytest.mark.parametrize(
    "architecture",
    ["llama_gqa", "gpt2", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gemma2", "phi", "olmo2"))],
)
def test_every_score_works_on_a_bridge_as_on_the_model(name, architecture, with_bridge, generator):
    model, bridge = with_bridge(architecture)
    prompts = answered_prompts(model, generator)
    ours, bridged = (SCORES[name](it, prompts, **FEWER.get(name, {})) for it in (model, bridge))
    for outcome in ours.effects:
        np.testing.assert_allclose(bridged.effects[outcome], ours.effects[outcome], atol=2e-4, rtol=1e-3)


def test_zero_ablation_by_a_loop(llama, prompts):
    assert_effects(llama, prompts, zero_ablation(llama, prompts), lambda _layer, _head: 0.0)


def test_the_mean_can_come_from_held_out_prompts(llama, prompts, generator):
    held_out = answered_prompts(llama, generator, n_prompts=5)
    z = all_z(llama, held_out.tokens)
    scores = mean_ablation(llama, prompts, reference=held_out)
    assert_effects(llama, prompts, scores, lambda layer, head: z[layer][:, :, head].mean(0))


def test_a_pooled_mean_leaves_out_padding_and_needs_no_alignment(llama, prompts, generator):
    short = answered_prompts(llama, generator, n_prompts=4, n_inputs=4)
    pad = prompts.tokens.shape[1] - short.tokens.shape[1]
    fields = [np.pad(getattr(short, name), ((0, 0), (0, pad))) for name in ("tokens", "corrupted", "roles", "scored")]
    both = [np.concatenate(pair) for pair in zip(list(vars(prompts).values())[1:5], fields, strict=True)]
    mixed = Prompts("made_up", *both, np.concatenate([prompts.lengths, short.lengths]))
    z = all_z(llama, mixed.tokens)
    real = torch.as_tensor(mixed.roles != 0)
    scores = mean_ablation(llama, mixed, position="pooled")
    assert_effects(llama, mixed, scores, lambda layer, head: z[layer][:, :, head][real].mean(0))
    for score in (mean_ablation, resample_ablation):
        with pytest.raises(HeadreuseError, match=r"so a mean per\s+position would mix them"):
            score(llama, mixed)
    assert np.isfinite(resample_ablation(llama, mixed, position="pooled").effects["log_prob"]).all()


def test_a_reference_of_another_layout_is_refused(llama, prompts, generator):
    other = answered_prompts(llama, generator, n_inputs=5)
    for score in (mean_ablation, resample_ablation):
        with pytest.raises(HeadreuseError, match="reference prompts have another layout"):
            score(llama, prompts, reference=other)


def test_resampling_takes_each_prompts_z_from_one_other_prompt(llama, prompts):
    z = all_z(llama, prompts.tokens)
    scores = resample_ablation(llama, prompts, seed=3)
    heads = [(0, 1), (1, 2), (2, 0)]
    partners = []
    for row in range(len(prompts)):
        repeated = prompts[np.full(len(prompts), row)]
        candidates = [with_z(llama, repeated, *at, z[at[0]][:, :, at[1]])["log_prob"] for at in heads]
        given = [scores.baseline["log_prob"][row] - scores.effects["log_prob"][(*at, row)] for at in heads]
        (partner,) = np.flatnonzero(np.isclose(np.transpose(candidates), given, atol=1e-4).all(1))
        partners.append(partner)
    assert sorted(partners) == list(range(len(prompts)))
    assert all(partner != row for row, partner in enumerate(partners))
    other_seed = resample_ablation(llama, prompts, seed=4)
    assert not np.array_equal(other_seed.effects["log_prob"], scores.effects["log_prob"])


def test_denoising_is_what_transformer_lens_patching_says(with_bridge, prompts):
    llama, bridge = with_bridge("llama_gqa")
    clean, corrupted = torch.as_tensor(prompts.tokens), torch.as_tensor(corrupted_inputs(prompts))
    _, seen = bridge.run_with_cache(clean, prepend_bos=False)

    def log_prob(logits):
        return float(slow_outcomes(logits, prompts)["log_prob"].mean())

    with torch.no_grad():
        expected = patching.get_act_patch_attn_head_out_all_pos(bridge, corrupted, seen, log_prob).numpy()
        low, high = (log_prob(bridge(tokens, prepend_bos=False)) for tokens in (corrupted, clean))
    scores = activation_patching(llama, prompts, direction="denoising")
    np.testing.assert_allclose(scores.effect("log_prob"), expected - low, atol=1e-4)
    assert scores.corrupted["log_prob"].mean() == pytest.approx(low, abs=1e-4)
    assert scores.clean["log_prob"].mean() == pytest.approx(high, abs=1e-4)
    named = denoising(llama, prompts)
    np.testing.assert_array_equal(named.effects["log_prob"], scores.effects["log_prob"])
    assert named.baseline is named.clean


@pytest.mark.parametrize("component", ["q", "k", "v", "pattern"])
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2", "gpt_neox", "mistral_window"])
def test_components_are_patched_as_transformer_lens_patches_them(component, architecture, with_bridge, generator):
    model, bridge = with_bridge(architecture)
    prompts = answered_prompts(model, generator)
    clean, corrupted = torch.as_tensor(prompts.tokens), torch.as_tensor(corrupted_inputs(prompts))
    with torch.no_grad():
        _, seen = bridge.run_with_cache(corrupted, prepend_bos=False)
        base = slow_outcomes(bridge(clean, prepend_bos=False), prompts)["log_prob"]
    scores = activation_patching(model, prompts, component=component)
    n_sharing = N_HEADS // seen["k", 0].shape[2] if component in "kv" else 1
    for layer in range(N_LAYERS):
        for head in range(N_HEADS // n_sharing):

            def replace(value, hook, layer=layer, head=head):
                value = value.clone()
                index = (slice(None), head) if component == "pattern" else (slice(None), slice(None), head)
                value[index] = seen[f"blocks.{layer}.attn.hook_{component}"][index]
                return value

            with torch.no_grad():
                hooks = [(f"blocks.{layer}.attn.hook_{component}", replace)]
                logits = bridge.run_with_hooks(clean, prepend_bos=False, fwd_hooks=hooks)
            expected = base - slow_outcomes(logits, prompts)["log_prob"]
            if n_sharing == 1:
                np.testing.assert_allclose(scores.effects["log_prob"][layer, head], expected, atol=1e-4)


@pytest.mark.parametrize("component", ["q", "k", "v", "pattern"])
def test_under_grouped_queries_a_patch_concerns_only_what_its_head_reads(component, llama, prompts):
    expanded = random_model("llama")  # the same function with a copy of keys and values for every head
    weights = llama.state_dict()
    for name, weight in weights.items():
        if "k_proj" in name or "v_proj" in name:
            weights[name] = weight.unflatten(0, (N_HEADS // 2, -1)).repeat_interleave(2, dim=0).flatten(0, 1)
    expanded.load_state_dict(weights)
    grouped, single = (activation_patching(model, prompts, component=component) for model in (llama, expanded))
    np.testing.assert_allclose(grouped.effects["log_prob"], single.effects["log_prob"], atol=1e-4)
    assert np.abs(grouped.effects["log_prob"]).min(axis=-1).max() > 1e-3


def test_components_of_a_model_that_computes_its_attention_itself_are_refused(generator):
    model = random_model("gptj")
    with pytest.raises(HeadreuseError, match="GPTJForCausalLM computes its attention itself, so its q cannot"):
        activation_patching(model, answered_prompts(model, generator), component="q")


def test_attribution_is_the_derivative_towards_the_corrupted_z(llama, prompts):
    clean, corrupted = all_z(llama, prompts.tokens), all_z(llama, corrupted_inputs(prompts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompletenessWarning)
        scores = attribution_patching(llama, prompts, n_steps=1)
    assert set(scores.effects) == {"log_prob"}
    step = 1e-2
    for layer, head in [(0, 1), (1, 2), (2, 3)]:
        towards = (corrupted[layer] - clean[layer])[:, :, head]
        ahead, behind = (
            with_z(llama, prompts, layer, head, clean[layer][:, :, head] + sign * step * towards)["log_prob"]
            for sign in (1, -1)
        )
        expected = -(ahead - behind) / (2 * step)
        np.testing.assert_allclose(scores.effects["log_prob"][layer, head], expected, rtol=5e-3, atol=1e-3)


def test_attributions_are_held_against_what_patching_a_whole_layer_does(llama, prompts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompletenessWarning)
        scores = attribution_patching(llama, prompts)
    for layer, z in enumerate(all_z(llama, corrupted_inputs(prompts))):
        patched = with_z(llama, prompts, layer, slice(None), z)["log_prob"]
        expected = scores.baseline["log_prob"] - patched
        np.testing.assert_allclose(scores.whole_layers["log_prob"][layer], expected, atol=1e-4)


def test_attribution_of_a_step_too_small_to_bend_is_exact_patching(llama, prompts):
    embeddings = llama.get_input_embeddings().weight
    with torch.no_grad():
        embeddings.copy_(embeddings.mean(0) + 0.01 * embeddings)  # all tokens nearly alike
    exact = activation_patching(llama, prompts)
    for outcome in ("log_prob", "logit_diff"):
        estimate = attribution_patching(llama, prompts, outcome=outcome).effects[outcome]
        scale = np.abs(exact.effects[outcome]).max()
        assert np.abs(estimate - exact.effects[outcome]).max() < 0.1 * scale


def test_attribution_fails_where_the_outcome_is_saturated_and_integrated_gradients_do_less(planted, generator):
    import copy

    from planting import Planted

    truth = planted(0.0)
    model = copy.deepcopy(truth.model)
    with torch.no_grad():
        model.get_output_embeddings().weight *= 5  # probabilities within 1e-6 of 1
    sure = Planted(model, truth.symbols, truth.movers, truth.markers)
    prompts = sure.prompts("A", 20, generator)
    exact = activation_patching(model, prompts)
    with pytest.warns(
        CompletenessWarning, match=r"A: the attributions of a layer's heads miss .* by 100% \(log_prob, "
    ):
        plain = attribution_patching(model, prompts, n_steps=1)
    with pytest.warns(CompletenessWarning, match="n_steps=16"):
        integrated = attribution_patching(model, prompts, n_steps=16)
    assert 0.5 < integrated.completeness_error("log_prob") < 0.7 < plain.completeness_error("log_prob")
    heads = [(head.layer, head.head_index) for head in truth.heads["A"]]
    true = np.mean([exact.effect("log_prob")[head] for head in heads])
    assert np.mean([plain.effect("log_prob")[head] for head in heads]) < 0.01 * true
    assert np.mean([integrated.effect("log_prob")[head] for head in heads]) > 0.3 * true


def rms_norm(part, whole, weight):
    return part / (whole.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight


def layer_norm(part, whole, weight):
    part = part - part.mean(-1, keepdim=True)
    return part / (whole.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt() * weight


@pytest.mark.parametrize(
    ("architecture", "projection", "norm", "share_of"),
    [
        ("llama_gqa", "self_attn.o_proj", "model.norm", rms_norm),
        ("gpt2", "attn.c_proj", "transformer.ln_f", layer_norm),
        ("gpt_neox", "attention.dense", "gpt_neox.final_layer_norm", layer_norm),
    ],
)
@torch.no_grad()
def test_direct_effects_by_hand(architecture, projection, norm, share_of, generator):
    model = random_model(architecture)
    prompts = answered_prompts(model, generator)
    scores = direct_effect(model, prompts)
    parts = dict(model.named_modules())
    projections = [part for name, part in parts.items() if name.endswith(projection)]
    seen = {}
    for part in (*projections, parts[norm]):
        part.register_forward_pre_hook(lambda module, args: seen.update({module: args[0]}))
    model(torch.as_tensor(prompts.tokens), use_cache=False)
    for layer, head in ALL_HEADS:
        W_O = projections[layer].weight if architecture == "gpt2" else projections[layer].weight.T
        columns = slice(head * 8, (head + 1) * 8)
        written = share_of(seen[projections[layer]][..., columns] @ W_O[columns], seen[parts[norm]], parts[norm].weight)
        logits = (written @ model.get_output_embeddings().weight.T).numpy()
        for row in range(len(prompts)):
            at = np.flatnonzero(prompts.scored[row])
            expected = np.mean([logits[row, p - 1, prompts.tokens[row, p]] for p in at])
            assert scores.effects["answer_logit"][layer, head, row] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("architecture", ["llama_gqa", "gpt2", "gpt_neox", "phi", "gemma2", "olmo2"])
def test_a_head_that_writes_twice_as_much_has_twice_the_direct_effect_at_the_same_scale(architecture, generator):
    from headreuse.interventions.batch import CleanRun
    from headreuse.interventions.direct_path import direct_path
    from headreuse.interventions.subject import prepare

    model = random_model(architecture)
    subject = prepare(model, answered_prompts(model, generator))
    with torch.inference_mode():
        _, run = next(iter(subject.runs()))
        parts = direct_path(subject.anatomy, run).parts

        class Doubled(CleanRun):
            """Its heads write twice as much; the scale is that of what attention wrote before."""

            def attn_out(self, anatomy, layer):
                return run.attn_out(anatomy, layer)

        doubled = Doubled(**vars(run) | {"z": tuple(2 * z for z in run.z)})
        torch.testing.assert_close(direct_path(subject.anatomy, doubled).parts, 2 * parts, rtol=2e-3, atol=2e-3)
    assert parts.shape == (N_LAYERS, N_HEADS, 16, 3, D_VOCAB)


def test_a_direct_path_through_experts_is_refused(generator):
    model = random_model("mixtral")
    with pytest.raises(HeadreuseError, match=r"MixtralDecoderLayer: .*a head's direct effect is undefined there"):
        direct_effect(model, answered_prompts(model, generator))
