"""Attention to chosen chunks: a slow loop over its formulas, causality, one chunk alone, and what heads choose.

Covers `models/hsa/_attention.py`, `models/hsa/_decoder.py`, `models/hsa/choices.py` and `models/positions/hsa.py`.
"""

import math
from functools import partial

import numpy as np
import pytest
import torch
from decoders import with_large_maps
from torch import nn
from transformers import DynamicCache

from headreuse.attention import mean_pattern
from headreuse.errors import HeadreuseError
from headreuse.models.architectures import build_model
from headreuse.models.hsa import ChunkAttention, HsaConfig, HsaForCausalLM, choices_alike, hit_rate
from headreuse.models.hsa._decoder import chunk_layers
from headreuse.prompts import Vocabulary, make_prompts
from headreuse.records import Prompts
from headreuse.study import ModelSpec
from headreuse.tasks import TASKS

SIZE, N_CHOSEN, N_HEADS, D_MODEL = 4, 2, 2, 16
D_HEAD = D_MODEL // N_HEADS


def attention(*, n_key_value_heads: int = N_HEADS, scale: float = 1.0) -> ChunkAttention:
    """One layer with weights so large that choices and weights differ."""
    config = HsaConfig(
        hidden_size=D_MODEL, num_attention_heads=N_HEADS, num_key_value_heads=n_key_value_heads, num_hidden_layers=1
    )
    layer = ChunkAttention(config, 0, chunk_size=SIZE, n_chosen=N_CHOSEN)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(scale * torch.randn(weight.shape, generator=generator) / math.sqrt(D_MODEL))
    return layer.eval()


def hidden(n_tokens: int, n: int = 3) -> torch.Tensor:
    return 2 * torch.randn(n, n_tokens, D_MODEL, generator=torch.Generator().manual_seed(1))


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def slow(layer: ChunkAttention, x: np.ndarray) -> np.ndarray:
    """The formulas token by token, head by head, in double precision: what one prompt adds to the residual stream."""

    def mapped(part: nn.Linear, row: np.ndarray, head: int) -> np.ndarray:
        return (part.weight.detach().double().numpy() @ row)[head * D_HEAD : (head + 1) * D_HEAD]

    encoder = layer.chunk_encoder.weight.detach().double().numpy()
    z = np.zeros((len(x), N_HEADS, D_HEAD))
    for t in range(len(x)):
        for head in range(N_HEADS):
            shared = head // (N_HEADS // (layer.k_proj.out_features // D_HEAD))
            wanted = {}
            for chunk in range(t // SIZE):
                encoded = [encoder @ row for row in x[chunk * SIZE : (chunk + 1) * SIZE]]
                summed_up = np.mean([row / (1 + np.exp(-row)) for row in encoded], axis=0)
                dot = mapped(layer.chunk_query, x[t], head) @ mapped(layer.chunk_key, summed_up, head)
                wanted[chunk] = dot / math.sqrt(D_HEAD)
            stick = 1.0
            for chunk in sorted(sorted(wanted, key=wanted.get)[-N_CHOSEN:], reverse=True):
                rows = x[chunk * SIZE : (chunk + 1) * SIZE]
                query = mapped(layer.q_proj, x[t], head)
                shares = [math.exp(query @ mapped(layer.k_proj, row, shared) / math.sqrt(D_HEAD)) for row in rows]
                for share, row in zip(shares, rows, strict=True):
                    weight = stick * sigmoid(wanted[chunk]) * share / (1 + sum(shares))
                    z[t, head] += weight * mapped(layer.v_proj, row, shared)
                stick *= 1 - sigmoid(wanted[chunk])
    return z.reshape(len(x), -1) @ layer.o_proj.weight.detach().double().numpy().T


@pytest.mark.parametrize("n_key_value_heads", [1, 2])
@pytest.mark.parametrize("n_tokens", [3, 4, 22])
def test_attention_to_chunks_equals_a_slow_loop(n_tokens, n_key_value_heads):
    layer, x = attention(n_key_value_heads=n_key_value_heads), hidden(n_tokens)
    with torch.no_grad():
        found, pattern = layer(x)
    for prompt in range(len(x)):
        expected = slow(layer, x[prompt].double().numpy())
        np.testing.assert_allclose(found[prompt].numpy(), expected, atol=1e-5)
    own_or_later = torch.arange(n_tokens)[None] >= torch.arange(n_tokens)[:, None] // SIZE * SIZE
    assert (pattern[..., own_or_later] == 0).all(), "chunks that end before the token's own, and no other"


def test_with_one_visible_chunk_it_is_softmax_off_by_one_times_the_share_of_the_chunk():
    layer, x = attention(), hidden(2 * SIZE)
    with torch.no_grad():
        found, pattern = layer(x)
        scores = layer._by_head(layer.q_proj(x)) @ layer._by_head(layer.k_proj(x)).transpose(-1, -2) * layer.scaling
        shares = scores[:, :, SIZE:, :SIZE].exp()
        off_by_one = shares / (1 + shares.sum(dim=-1, keepdim=True))
        share = layer.relevance(x)[:, :, SIZE:, :1].sigmoid()
    torch.testing.assert_close(pattern[:, :, SIZE:, :SIZE], share * off_by_one)
    assert (found[:, :SIZE] == 0).all()
    # A chunk that is wanted without bounds has all of the stick: plain softmax-off-by-one.
    layer.relevance = lambda hidden: torch.full((3, N_HEADS, 2 * SIZE, 2), 1e4)
    with torch.no_grad():
        torch.testing.assert_close(layer(x)[1][:, :, SIZE:, :SIZE], off_by_one)


def test_scores_and_relevance_of_any_size_give_finite_numbers():
    layer, x = attention(scale=1e3), hidden(5 * SIZE)
    x.requires_grad_()
    found, pattern = layer(x)
    assert found.isfinite().all()
    assert (pattern >= 0).all()
    assert (pattern.sum(dim=-1) <= 1 + 1e-6).all()
    found.sum().backward()
    assert x.grad.isfinite().all()


def test_lower_layers_have_windows_and_upper_ones_take_turns():
    assert [chunk_layers(n) for n in (1, 2, 4)] == [[True], [False, True], [False, False, True, False]]
    assert chunk_layers(7) == [False] * 3 + [True, False, True, False]


TASK_NAMES = ("passkey", "copy")


def model_of(**chunks) -> HsaForCausalLM:
    """Two layers with weights so large that heads matter."""
    vocabulary = Vocabulary.of([TASKS[name](alphabet_size=4) for name in TASK_NAMES])
    spec = ModelSpec(position="hsa", n_layers=2, n_heads=N_HEADS, d_model=D_MODEL, chunks=chunks)
    return with_large_maps(build_model(spec, vocab_size=len(vocabulary), max_positions=64, seed=0), 0.5)


def prompts_of(name: str, length: int, n: int = 6) -> Prompts:
    tasks = [TASKS[name](alphabet_size=4) for name in TASK_NAMES]
    task = tasks[TASK_NAMES.index(name)]
    return make_prompts(task, np.full(n, length), np.random.default_rng(0), Vocabulary.of(tasks))


def test_a_window_sees_its_own_number_of_tokens():
    pattern = mean_pattern(model_of(window=3), prompts_of("passkey", 32, n=1)).pattern[0, 0]
    rows, columns = np.nonzero(pattern > 0)
    assert (rows - columns).max() == 2
    assert (rows >= columns).all()
    np.testing.assert_allclose(pattern.sum(axis=-1), 1, rtol=1e-5)


def needles_of(prompts: Prompts) -> np.ndarray:
    mark = prompts.tokens == Vocabulary.of([TASKS[name](alphabet_size=4) for name in TASK_NAMES]).id("|")
    return (np.cumsum(mark, axis=1) == 1) & ~mark


@pytest.mark.parametrize("size", [8, 5])
def test_hits_are_counted_as_the_choices_say(size):
    model, prompts = model_of(chunk_size=size, n_chosen=2), prompts_of("passkey", 40)
    needles, found = needles_of(prompts), hit_rate(model, prompts, needles_of(prompts))
    assert (needles.sum(axis=1) == 3).all()
    assert np.isnan(found[0]).all()
    with torch.no_grad():
        tokens = torch.as_tensor(prompts.tokens).long()
        states = model.model(tokens, output_hidden_states=True).hidden_states[1]
        layer = model.model.layers[1]
        relevance = layer.self_attn.relevance(layer.input_layernorm(states))
    hits = np.zeros((len(prompts), N_HEADS))
    for prompt, head in np.ndindex(*hits.shape):
        asking = np.flatnonzero(prompts.scored[prompt]) - 1
        for position in asking:
            visible = position // size
            best = relevance[prompt, head, position, :visible].argsort(descending=True)[:2]
            hits[prompt, head] += any(needles[prompt, c * size : (c + 1) * size].any() for c in best.tolist())
        hits[prompt, head] /= len(asking)
    assert 0 < hits.mean() < 1
    np.testing.assert_allclose(found[1], hits.mean(axis=0))


def test_choices_are_alike_from_0_to_1():
    model = model_of(chunk_size=4, n_chosen=2)
    prompts = prompts_of("passkey", 40)
    assert np.array_equal(choices_alike(model, prompts, prompts)[1], np.ones(N_HEADS))
    other = Prompts(**{**vars(prompts), "tokens": prompts.tokens[::-1].copy(), "scored": prompts.scored[::-1].copy()})
    alike = choices_alike(model, prompts, other)[1]
    assert ((alike > 0) & (alike < 1)).all()
    with pytest.raises(HeadreuseError, match="give pairs of equal length"):
        choices_alike(model, prompts, prompts_of("passkey", 41))


def test_generation_reads_whole_prompts_and_a_cache_is_refused():
    model, start = model_of(), torch.as_tensor(prompts_of("passkey", 33, n=2).tokens[:, :30]).long()
    slow_tokens = start
    with torch.no_grad():
        for _ in range(3):
            slow_tokens = torch.cat([slow_tokens, model(slow_tokens).logits[:, -1:].argmax(-1)], dim=1)
        found = model.generate(start, max_new_tokens=3, do_sample=False, eos_token_id=None)
    assert torch.equal(found, slow_tokens)
    cache = DynamicCache()
    cache.update(torch.zeros(2, 1, 3, 4), torch.zeros(2, 1, 3, 4), 0)
    with pytest.raises(HeadreuseError, match="keeps no cache; leave past_key_values out"):
        model(start, past_key_values=cache)
    padded = torch.ones_like(start)
    padded[1, :2] = 0
    for call in (model, partial(model.generate, max_new_tokens=1)):
        with pytest.raises(HeadreuseError, match="chunks are counted from the first token; pad at the end"):
            call(start, attention_mask=padded)
