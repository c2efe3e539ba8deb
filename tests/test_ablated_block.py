"""Does the shortcut into the feed-forward give what all of it gives? Covers `interventions/ablated_block.py`."""

import copy
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from decoders import D_VOCAB, N_HEADS, SIZE, answered_prompts, random_model
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from headreuse.interventions.ablate import ablate
from headreuse.interventions.replacements import replacement_for
from headreuse.interventions.replay import replay
from headreuse.interventions.subject import REPLAY, FullPassWarning, prepare
from headreuse.models.anatomy import find_anatomy
from headreuse.records import Head
from headreuse.scores import mean_ablation

SETS = [
    frozenset({Head(0, 0), Head(0, 3), Head(2, 1)}),
    frozenset({Head(0, 2)}),
    frozenset({Head(2, 0), Head(2, 1), Head(2, 2)}),
]


def test_a_model_in_double_precision_is_measured_in_it(generator):
    model = random_model("gpt2").double()  # Llama's own norm is single
    subject = prepare(model, answered_prompts(model, generator))
    assert all(block.feed_forward for block in subject.anatomy.blocks)
    (_, run), *_ = subject.runs()
    sets, z = [frozenset({Head(1, 2)})], [torch.zeros_like(each) for each in run.z]
    with torch.inference_mode():
        short, long = (
            replay(each, run, sets, z) for each in (subject.anatomy, subject.anatomy.without_feed_forwards())
        )
    torch.testing.assert_close(short, long, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["llama_gqa", "gpt2", "gpt_neox_sequential"])
def test_the_shortcut_gives_what_the_whole_feed_forward_gives(name, generator):
    model = random_model(name)
    subject = prepare(model, answered_prompts(model, generator))
    assert all(block.feed_forward for block in subject.anatomy.blocks)
    whole = replace(subject, anatomy=subject.anatomy.without_feed_forwards(), _kept=[])
    short, long = (ablate(each, SETS, replacement_for(each, "mean", "each")) for each in (subject, whole))
    np.testing.assert_array_equal(short.outcomes["exact_match"], long.outcomes["exact_match"])
    np.testing.assert_allclose(short.outcomes["log_prob"], long.outcomes["log_prob"], atol=1e-4)


def test_the_shortcut_spares_the_norm_and_most_of_the_maps(generator, monkeypatch):
    model = random_model("llama")
    prompts = answered_prompts(model, generator)
    subject = prepare(model, prompts)
    list(subject.runs())
    last = model.model.layers[-1]
    rows = []
    for part in (last.post_attention_layernorm, last.mlp.gate_proj):
        forward = part.forward
        monkeypatch.setattr(part, "forward", lambda x, forward=forward: (rows.append(len(x)), forward(x))[1])
    ablate(subject, [frozenset({Head(2, index)}) for index in range(N_HEADS)], replacement_for(subject, "mean", "each"))
    of_prompts = [n_rows for n_rows in rows if n_rows == len(prompts)]
    assert len(of_prompts) == 2, "once for each part, whatever the number of heads"


class Doubling(nn.Module):
    """A feed-forward whose linear map is not the only reader of the norm."""

    def __init__(self, mlp: nn.Module) -> None:
        super().__init__()
        self.mlp = mlp

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mlp(x) + 0.5 * x


def test_where_something_else_reads_the_norm_the_whole_feed_forward_is_worked_out(generator):
    model = random_model("llama")
    for layer in model.model.layers:
        layer.mlp = Doubling(layer.mlp).eval()
    prompts = answered_prompts(model, generator)
    assert find_anatomy(model).blocks[0].feed_forward is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error", FullPassWarning)
        subject = prepare(model, prompts)
    assert subject.runner is REPLAY
    assert all(block.feed_forward is None for block in subject.anatomy.blocks)


def test_a_structure_that_weights_of_zero_hid_is_seen_when_weights_change(generator):
    """Parallel blocks whose attention says nothing look sequential."""
    model, other = random_model("gpt_neox"), random_model("gpt_neox")
    prompts = answered_prompts(other, generator)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    prepare(model, prompts)
    model.load_state_dict(other.state_dict())
    found, expected = (mean_ablation(each, prompts).effects["log_prob"] for each in (model, other))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    "model_class_and_config",
    [
        (LlamaForCausalLM, LlamaConfig(**SIZE, mlp_bias=True, attention_bias=True, rms_norm_eps=0.1)),
        (GPT2LMHeadModel, GPT2Config(n_embd=32, n_layer=3, n_head=N_HEADS, vocab_size=D_VOCAB, layer_norm_epsilon=0.1)),
    ],
)
def test_biases_and_a_large_epsilon_count(model_class_and_config, generator):
    model_class, config = model_class_and_config
    torch.manual_seed(0)
    model = model_class(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.3 * torch.randn(weight.shape))
    prompts = answered_prompts(model, generator)
    subject = prepare(model, prompts)
    assert all(block.feed_forward for block in subject.anatomy.blocks)
    whole = replace(subject, anatomy=subject.anatomy.without_feed_forwards(), _kept=[])
    short, long = (
        ablate(each, SETS, replacement_for(each, "mean", "each")).outcomes["log_prob"] for each in (subject, whole)
    )
    np.testing.assert_allclose(short, long, atol=1e-4)


def test_the_shortcut_leaves_nothing_behind(generator):
    model = random_model("llama")
    prompts = answered_prompts(model, generator)
    weights, before = copy.deepcopy(model.state_dict()), model(torch.as_tensor(prompts.tokens)).logits
    subject = prepare(model, prompts)
    ablate(subject, SETS, replacement_for(subject, "mean", "each"))
    assert all(not run.latest for _, run in subject.runs())
    assert all("forward" not in part.__dict__ for part in model.modules())
    assert torch.equal(model(torch.as_tensor(prompts.tokens)).logits, before)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
