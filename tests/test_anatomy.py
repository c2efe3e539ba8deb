"""Are the right parts of a decoder found, and is a model refused where they are not?

Covers `models/anatomy/finding.py`, `models/anatomy/output_projection.py`, `models/anatomy/probing.py`,
`models/anatomy/norms.py`, `models/anatomy/decoder.py` and `models/anatomy/calls.py`.
"""

import copy

import pytest
import torch
from decoders import ARCHITECTURES, D_VOCAB, N_LAYERS, PROJECTIONS, SIZE, random_model
from torch import nn
from transformers import BartConfig, BartForCausalLM, BertConfig, BertLMHeadModel, Lfm2Config, Lfm2ForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from headreuse.errors import HeadreuseError
from headreuse.models.anatomy import UnrecognisedModelError, find_anatomy, forwards_replaced, hooked, read_norm


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_heads_written_through_the_output_projection_are_the_attention_output(name):
    anatomy = find_anatomy(random_model(name))
    seen = {}
    for layer, block in enumerate(anatomy.blocks):
        block.out_proj.register_forward_pre_hook(lambda _m, args, layer=layer: seen.update({("z", layer): args[0]}))
        block.attention.register_forward_hook(lambda _m, _a, out, layer=layer: seen.update({("out", layer): out[0]}))
    with torch.no_grad():
        anatomy.model(torch.arange(8)[None], use_cache=False)
        for layer, block in enumerate(anatomy.blocks):
            z = seen["z", layer].unflatten(-1, (anatomy.n_heads, anatomy.d_head))
            W_O = block.W_O.unflatten(0, (anatomy.n_heads, anatomy.d_head))
            written = sum(z[:, :, head] @ W_O[head] for head in range(anatomy.n_heads))
            bias = 0 if block.out_proj.bias is None else block.out_proj.bias
            torch.testing.assert_close(written + bias, seen["out", layer], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", PROJECTIONS)
def test_the_output_projection_is_found_also_outside_the_part_that_mixes_positions(name):
    model = random_model(name)
    expected = [part for part_name, part in model.named_modules() if part_name.endswith(PROJECTIONS[name])]
    assert len(expected) == N_LAYERS
    assert [block.out_proj for block in find_anatomy(model).blocks] == expected


def test_heads_are_found_whatever_the_weights_hold(planted_model):
    anatomy = find_anatomy(planted_model.model)
    layers = planted_model.model.model.layers
    assert [block.attention for block in anatomy.blocks] == [layer.self_attn for layer in layers]
    assert [block.out_proj for block in anatomy.blocks] == [layer.self_attn.o_proj for layer in layers]
    assert [block.pointwise for block in anatomy.blocks] == [(layer.self_attn.q_proj,) for layer in layers]


@pytest.mark.parametrize("name", ["llama_gqa", "gpt2", "olmo2", "phi", "gpt_oss", "bert"])
def test_heads_are_found_in_low_precision(name):
    model = random_model(name)
    rough = find_anatomy(copy.deepcopy(model).to(torch.bfloat16))
    assert [block.W_O.shape for block in rough.blocks] == [block.W_O.shape for block in find_anatomy(model).blocks]


class Around(nn.Module):
    """An attention with something after it."""

    def __init__(self, attention: nn.Module, *, gated: bool) -> None:
        super().__init__()
        self.attention, self.gated = attention, gated
        self.linear = nn.Linear(SIZE["hidden_size"], SIZE["hidden_size"])

    def forward(self, hidden_states, **kwargs):
        output, pattern = self.attention(hidden_states=hidden_states, **kwargs)
        if self.gated:
            return output * self.linear(hidden_states).sigmoid(), pattern
        return self.linear(output), pattern


@pytest.mark.parametrize("gated", [False, True])
def test_a_linear_map_or_a_gate_after_the_output_projection_is_not_taken_for_it(gated):
    model = random_model("llama")
    for layer in model.model.layers:
        layer.self_attn = Around(layer.self_attn, gated=gated)
    anatomy = find_anatomy(model)
    expected = [layer.self_attn.attention.o_proj for layer in model.model.layers]
    assert [block.out_proj for block in anatomy.blocks] == expected


class Gated(nn.Module):
    """An output projection times a gate that reads the heads."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear, self.gate = linear, copy.deepcopy(linear)

    def forward(self, z):
        return self.linear(z) * self.gate(z).sigmoid()


def test_heads_that_are_read_by_a_linear_map_and_a_gate_are_refused():
    model = random_model("llama")
    for layer in model.model.layers:
        layer.self_attn.o_proj = Gated(layer.self_attn.o_proj)
    with pytest.raises(UnrecognisedModelError, match=r"self_attn\.o_proj\.linear is the first to read .* merge that"):
        find_anatomy(model)


class Adapted(nn.Module):
    """An output projection with a low-rank adapter beside it."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear
        self.down, self.up = nn.Linear(linear.in_features, 2), nn.Linear(2, linear.out_features)

    def forward(self, z):
        return self.linear(z) + self.up(self.down(z))


def test_an_output_projection_is_found_with_its_adapter():
    model = random_model("llama")
    for layer in model.model.layers:
        layer.self_attn.o_proj = Adapted(layer.self_attn.o_proj)
    for block, layer in zip(find_anatomy(model).blocks, model.model.layers, strict=True):
        whole = layer.self_attn.o_proj
        assert block.out_proj is whole
        expected = (whole.linear.weight + whole.up.weight @ whole.down.weight).T
        torch.testing.assert_close(block.W_O, expected, atol=1e-5, rtol=1e-5)


class Grouped(nn.Linear):
    """A linear map of each head apart."""

    def forward(self, z):
        return super().forward(z.unflatten(-1, (-1, self.in_features))).flatten(-2)


def test_heads_that_go_through_another_map_first_are_refused():
    model = random_model("llama")
    for layer in model.model.layers:
        layer.self_attn.o_proj = nn.Sequential(Grouped(8, 8), layer.self_attn.o_proj)
    with pytest.raises(UnrecognisedModelError, match=r"first read by self_attn\.o_proj\.0, a Grouped, and not by one"):
        find_anatomy(model)


def test_an_attention_whose_projection_is_no_module_is_refused():
    model = random_model("llama")
    for layer in model.model.layers:
        layer.self_attn.o_proj = nn.Flatten(start_dim=2)
    with pytest.raises(UnrecognisedModelError, match=r"mlp\.gate_proj is the first to read what attention gathered"):
        find_anatomy(model)


def test_a_convolution_is_not_taken_for_heads():
    torch.manual_seed(0)
    model = Lfm2ForCausalLM(Lfm2Config(**SIZE, num_key_value_heads=2, layer_types=["conv"] * N_LAYERS)).eval()
    with pytest.raises(UnrecognisedModelError, match=r"conv\.out_proj reads is not mixed by 4 attention heads"):
        find_anatomy(model)


def test_a_configuration_that_names_another_number_of_heads_is_refused():
    """Bart's `num_attention_heads` are its encoder's."""
    torch.manual_seed(0)
    settings = {"d_model": 32, "decoder_layers": 2, "encoder_layers": 2, "decoder_ffn_dim": 48, "vocab_size": D_VOCAB}
    settings |= {"is_decoder": True, "init_std": 0.4}
    for n_heads in (2, 4):
        model = BartForCausalLM(BartConfig(**settings, decoder_attention_heads=4, encoder_attention_heads=n_heads))
        if n_heads == 4:
            assert find_anatomy(model.eval()).n_heads == 4
        else:
            with pytest.raises(UnrecognisedModelError, match=r"by 2 attention heads.* another number of heads"):
                find_anatomy(model.eval())


def test_a_model_that_reads_later_positions_is_refused():
    model = BertLMHeadModel(BertConfig(**SIZE)).eval()
    with pytest.raises(UnrecognisedModelError, match=r"reads later positions too, .* load it with is_decoder=True"):
        find_anatomy(model)


def test_a_model_without_heads_is_refused():
    with pytest.raises(HeadreuseError, match="Linear has no config with num_attention_heads"):
        find_anatomy(torch.nn.Linear(2, 2))


def varied(norm: nn.Module) -> nn.Module:
    """The norm with a weight, and a bias where it has one, that are no constants."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in norm.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return norm


@pytest.mark.parametrize("epsilon", [1e-12, 1e-6, 1e-3])
@pytest.mark.parametrize("kind", [LlamaRMSNorm, nn.LayerNorm, nn.RMSNorm])
def test_a_norm_is_read_off_what_it_does(kind, epsilon):
    norm = varied(kind(32, eps=epsilon))
    x = torch.tensor([[0.01], [1.0], [30.0]]) * torch.randn(3, 32, generator=torch.Generator().manual_seed(1))
    found = read_norm(norm, x)
    assert found.centres == (kind is nn.LayerNorm)
    torch.testing.assert_close(found.direction(x) * found.scale(x) + found.bias, norm(x), rtol=1e-4, atol=1e-4)
    assert found.epsilon == pytest.approx(epsilon, rel=1e-2, abs=1e-9)


@pytest.mark.parametrize("part", [nn.Identity(), nn.Tanh(), nn.Linear(32, 32)])
def test_what_is_no_norm_is_not_read_as_one(part):
    assert read_norm(part, torch.zeros(1, 32)) is None


@pytest.mark.parametrize(("name", "n_readers"), [("llama", 2), ("qwen3", 2), ("gpt2", 1), ("gpt_neox_sequential", 1)])
def test_norm_and_linear_maps_of_a_sequential_block_are_found(name, n_readers):
    for block in find_anatomy(random_model(name)).blocks:
        assert len(block.feed_forward.readers) == n_readers
        assert block.feed_forward.norm in block.module.modules()


@pytest.mark.parametrize("name", ["gpt_neox", "gemma2", "olmo2", "phi", "gptj", "mixtral", "bert"])
def test_a_feed_forward_that_reads_something_else_is_left_alone(name):
    assert all(block.feed_forward is None for block in find_anatomy(random_model(name)).blocks)


def test_replaced_forwards_and_hooks_end_with_the_block_also_after_an_exception():
    part = nn.Linear(2, 2)
    x = torch.ones(1, 2)
    before = part(x)
    part.__dict__["forward"] = set_before = lambda x: 2 * x

    def replaced_until_an_exception():
        with forwards_replaced({part: lambda x: 3 * x}), hooked(part.register_forward_hook(lambda _m, _a, y: y + 1)):
            assert torch.equal(part(x), 3 * x + 1)
            raise KeyError

    with pytest.raises(KeyError):
        replaced_until_an_exception()
    assert torch.equal(part(x), 2 * x)
    assert part.__dict__.pop("forward") is set_before
    assert torch.equal(part(x), before)
