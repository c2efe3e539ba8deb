"""Whole forward passes with hooks: slow and sure. The replay is checked against them, and they stand in for it."""

from collections.abc import Sequence
from contextlib import ExitStack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from headreuse.evaluation import Slots, slot_logits
from headreuse.interventions.batch import CleanRun, Edit, HeadSet, Packing, Z, editing, editing_z
from headreuse.models.anatomy import Anatomy, hooked


def clean_pass(anatomy: Anatomy, tokens: Int[Tensor, "prompt pos"], slots: Slots) -> CleanRun:
    """One plain forward pass; of the residual stream nothing is kept, because full passes begin at the tokens."""
    tokens = tokens[:, : slots.n_needed]
    z: list[Tensor] = []

    def keep(_module: object, args: tuple[Tensor, ...]) -> None:
        z.append(args[0].unflatten(-1, (anatomy.n_heads, anatomy.d_head)))

    with ExitStack() as stack:
        for block in anatomy.blocks:
            stack.enter_context(hooked(block.out_proj.register_forward_pre_hook(keep)))
        logits = slot_logits(anatomy.model, tokens, slots.position)
    z[-1] = Packing(slots.position, tokens.shape[1]).gather(z[-1].flatten(-2)).unflatten(-1, z[-1].shape[-2:])
    return CleanRun(tokens, slots, (), tuple(z), logits)


def all_z(anatomy: Anatomy, tokens: Int[Tensor, "prompt pos"]) -> list[Float[Tensor, "prompt pos head d_head"]]:
    """Every layer's `z` at every position, the last layer's too."""
    everywhere = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape)
    return list(clean_pass(anatomy, tokens, Slots(everywhere, tokens, tokens >= 0)).z)


def full_passes(
    anatomy: Anatomy, run: CleanRun, sets: Sequence[HeadSet], z: Z
) -> Float[Tensor, "set prompt slot d_vocab"]:
    """Logits if the heads of each set write `z`. The sets may begin in different layers."""
    position = run.slots.position.repeat(len(sets), 1)
    packing = Packing(position, run.tokens.shape[1])
    with ExitStack() as stack:
        for layer in {head.layer for heads in sets for head in heads}:
            edit = editing(anatomy, sets, layer, z[layer])
            if layer == anatomy.n_layers - 1:
                edit = _at_slots(packing, edit)
            stack.enter_context(editing_z(anatomy.blocks[layer].out_proj, edit))
        logits = slot_logits(anatomy.model, run.tokens.repeat(len(sets), 1), position)
    return logits.unflatten(0, (len(sets), len(run.tokens)))


def _at_slots(packing: Packing, edit: Edit) -> Edit:
    return lambda z: packing.put(z, edit(packing.gather(z)))
