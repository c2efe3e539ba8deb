"""Are heads found and ablated exactly in models with adapters, and are wrappers refused that nothing is known of?

Covers `models/anatomy/adapters.py`.
"""

import copy
import warnings

import numpy as np
import pytest
import torch
from decoders import N_HEADS, N_LAYERS, answered_prompts, random_model, slow_outcomes
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from torch import nn

from headreuse.evaluation import evaluate
from headreuse.interventions.subject import REPLAY, prepare
from headreuse.models.anatomy import UnrecognisedModelError, find_anatomy
from headreuse.scores import direct_effect, zero_ablation

# PEFT asks a model for a property that Transformers has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

PROJECTIONS = {"llama_gqa": "self_attn.o_proj", "gpt2": "attn.c_proj"}
ADAPTED = {
    "llama_gqa": ["q_proj", "v_proj", "o_proj", "gate_proj", "down_proj"],
    "gpt2": ["c_attn", "c_proj", "c_fc"],
}


def with_lora(name: str, **settings: object) -> PeftModel:
    """A tiny decoder whose adapters change its answers."""
    model = random_model(name)
    torch.manual_seed(0)
    config = LoraConfig(
        r=4, target_modules=ADAPTED[name], init_lora_weights=False, fan_in_fan_out=name == "gpt2", **settings
    )
    return get_peft_model(model, config).eval()


def by_hooks(model: PeftModel, name: str, prompts) -> np.ndarray:
    """Log-probabilities without each head in turn, which writes zeros: `layer head prompt`."""
    tokens = torch.as_tensor(prompts.tokens)
    projections = [part for part_name, part in model.named_modules() if part_name.endswith(PROJECTIONS[name])]
    assert len(projections) == N_LAYERS
    found = np.empty((N_LAYERS, N_HEADS, len(prompts)))
    for layer, head in np.ndindex(N_LAYERS, N_HEADS):

        def silence(_module, args, head=head):
            by_head = args[0].clone().unflatten(-1, (N_HEADS, -1))
            by_head[..., head, :] = 0
            return (by_head.flatten(-2),)

        handle = projections[layer].register_forward_pre_hook(silence)
        with torch.no_grad():
            found[layer, head] = slow_outcomes(model(tokens, use_cache=False).logits, prompts)["log_prob"]
        handle.remove()
    return found


@pytest.mark.parametrize("name", ADAPTED)
def test_heads_of_a_model_with_adapters_score_what_hooks_and_the_merged_model_say(name, generator):
    model = with_lora(name)
    prompts = answered_prompts(model, generator)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = zero_ablation(model, prompts)
    expected = scores.baseline["log_prob"] - by_hooks(model, name, prompts)
    np.testing.assert_allclose(scores.effects["log_prob"], expected, atol=1e-4)
    merged = zero_ablation(copy.deepcopy(model).merge_and_unload(), prompts)
    np.testing.assert_allclose(scores.effects["log_prob"], merged.effects["log_prob"], atol=1e-4)
    np.testing.assert_allclose(
        direct_effect(model, prompts).effect("log_prob"),
        direct_effect(copy.deepcopy(model).merge_and_unload(), prompts).effect("log_prob"),
        atol=1e-3,
    )


def test_adapters_cost_no_full_passes_and_no_shortcut(generator):
    subject = prepare(with_lora("llama_gqa", use_dora=True), answered_prompts(random_model("llama_gqa"), generator))
    plain = find_anatomy(random_model("llama_gqa"))
    assert subject.runner is REPLAY
    for block, without in zip(subject.anatomy.blocks, plain.blocks, strict=True):
        assert len(block.pointwise) == len(without.pointwise) == 1
        assert len(block.feed_forward.readers) == len(without.feed_forward.readers) == 2


def test_adapters_may_be_switched_off_and_on_and_merged(generator):
    model, plain = with_lora("llama_gqa"), random_model("llama_gqa")
    prompts = answered_prompts(plain, generator)
    with model.disable_adapter():
        off = zero_ablation(model, prompts).effects["log_prob"]
    on = zero_ablation(model, prompts).effects["log_prob"]
    np.testing.assert_allclose(off, zero_ablation(plain, prompts).effects["log_prob"], atol=1e-4)
    assert np.abs(on - off).max() > 0.1
    model.merge_adapter()
    np.testing.assert_allclose(zero_ablation(model, prompts).effects["log_prob"], on, atol=1e-4)


def test_wrappers_that_hide_what_a_model_does_are_refused(generator):
    model = random_model("llama")
    prompts = answered_prompts(model, generator, n_prompts=2)
    tuned = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    with pytest.raises(UnrecognisedModelError, match=r"puts learned tokens before every prompt, .* for example LoRA"):
        evaluate(get_peft_model(random_model("llama"), tuned).eval(), prompts)
    for measure in (evaluate, zero_ablation):
        with pytest.raises(UnrecognisedModelError, match=r"Sequential has no config .* give a Hugging Face decoder"):
            measure(nn.Sequential(model), prompts)
