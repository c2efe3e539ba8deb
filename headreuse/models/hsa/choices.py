"""Which chunks heads choose: whether a needle's is among them, and whether two tasks choose alike."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from headreuse.errors import HeadreuseError
from headreuse.models.anatomy import device_of
from headreuse.models.hsa._attention import Chosen, ChunkAttention
from headreuse.models.hsa._decoder import HsaForCausalLM
from headreuse.records import Prompts

MICRO_BATCH = 16
"""Prompts that go through a model at once."""


def hit_rate(
    model: HsaForCausalLM, prompts: Prompts, needles: Bool[np.ndarray, "prompt pos"]
) -> Float[np.ndarray, "layer head"]:
    """How often each head chooses a chunk that holds the needle, where an answer is predicted; from 0 to 1.

    NaN for heads that attend to windows. `needles` says which tokens are the needle; the prompts' scored tokens, each
    predicted one position before its own, are the answers.
    """
    size, asks = model.config.chunk_size, _asking(prompts)
    padded = np.pad(needles, ((0, 0), (0, -needles.shape[1] % size)))
    held = torch.from_numpy(padded.reshape(len(needles), -1, size).any(axis=2))
    hits: dict[int, list[Tensor]] = {}
    for rows, layer, chosen in _choices(model, prompts):
        hit = (chosen & held[rows, None, None]).any(dim=-1) & asks[rows, None]
        hits.setdefault(layer, []).append(hit.sum(dim=2) / asks[rows].sum(dim=1)[:, None])
    return _table(model, {layer: torch.cat(found).mean(dim=0) for layer, found in hits.items()})


def choices_alike(model: HsaForCausalLM, a: Prompts, b: Prompts) -> Float[np.ndarray, "layer head"]:
    """Jaccard of the chunks that each head chooses for two tasks, where their answers are predicted; from 0 to 1.

    The prompts go in pairs, a task's with the other's of the same number of tokens; the answers' positions of a prompt
    count together: a chunk is chosen if it is for any of them. NaN for heads that attend to windows; pairs in which
    neither task's head chooses anything are left out.
    """
    if a.tokens.shape != b.tokens.shape:
        raise HeadreuseError(
            f"{a.task} has prompts of shape {a.tokens.shape}, {b.task} of {b.tokens.shape}; give pairs of equal length"
        )
    of_a, of_b = (_chosen_for_answers(model, prompts) for prompts in (a, b))
    return _table(model, {layer: _jaccard(of_a[layer], of_b[layer]) for layer in of_a})


def _chosen_for_answers(model: HsaForCausalLM, prompts: Prompts) -> dict[int, Bool[Tensor, "prompt head chunk"]]:
    asks, found = _asking(prompts), dict[int, list[Tensor]]()
    for rows, layer, chosen in _choices(model, prompts):
        found.setdefault(layer, []).append((chosen & asks[rows, None, :, None]).any(dim=2))
    return {layer: torch.cat(parts) for layer, parts in found.items()}


def _jaccard(one: Tensor, other: Tensor) -> Float[Tensor, "head"]:
    either = (one | other).sum(dim=-1)
    shares = (one & other).sum(dim=-1) / either
    return shares.nanmean(dim=0)


def _asking(prompts: Prompts) -> Bool[Tensor, "prompt pos"]:
    """The positions that predict scored tokens."""
    asks = np.zeros_like(prompts.scored)
    asks[:, :-1] = prompts.scored[:, 1:]
    return torch.from_numpy(asks)


def _choices(model: HsaForCausalLM, prompts: Prompts) -> Iterator[tuple[slice, int, Chosen]]:
    """Some prompts after the other: which these are, and what the heads of each layer with chunks choose."""
    found: dict[int, Chosen] = {}
    for start in range(0, len(prompts), MICRO_BATCH):
        rows = slice(start, start + MICRO_BATCH)
        tokens = torch.as_tensor(prompts.tokens[rows]).long().to(device_of(model))
        with torch.inference_mode(), ExitStack() as stack:
            for layer, attention in _with_chunks(model):
                keep = partial(_keep, found, layer)
                stack.enter_context(attention.register_forward_pre_hook(keep, with_kwargs=True))
            model(input_ids=tokens)
        yield from ((rows, layer, chosen) for layer, chosen in found.items())


def _keep(found: dict[int, Chosen], layer: int, attention: nn.Module, given: Any, named: dict[str, Tensor]) -> None:
    assert isinstance(attention, ChunkAttention)
    found[layer] = attention.chosen(given[0] if given else named["hidden_states"]).cpu()


def _with_chunks(model: HsaForCausalLM) -> Iterator[tuple[int, ChunkAttention]]:
    for index, layer in enumerate(model.model.layers):
        if isinstance(layer.self_attn, ChunkAttention):
            yield index, layer.self_attn


def _table(model: HsaForCausalLM, by_layer: dict[int, Tensor]) -> Float[np.ndarray, "layer head"]:
    whole = np.full((model.config.num_hidden_layers, model.config.num_attention_heads), np.nan)
    for layer, values in by_layer.items():
        whole[layer] = values.numpy()
    return whole
