"""Prompts and head sets side by side in one batch: a clean pass, rows at slots, and edits of `z`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from headreuse.evaluation import Slots
from headreuse.models.anatomy import Anatomy, hooked
from headreuse.records import Head

HeadSet = frozenset[Head]
Z = Sequence[Float[Tensor, "_prompt _pos head d_head"]]
"""What heads write, layer by layer; in the last layer at slots instead of positions.

The first two sizes are those of a clean run's `z`, or 1 where all prompts or positions are given the same.
"""

Edit = Callable[[Float[Tensor, "sequence pos z"]], Float[Tensor, "sequence pos z"]]
"""Takes what an output projection would read, and gives what it reads instead."""


@dataclass(frozen=True)
class CleanRun:
    """One pass of the untouched model over some prompts, with what interventions need of it."""

    tokens: Int[Tensor, "prompt pos"]
    """Cropped to what the slots depend on."""
    slots: Slots
    resid_pre: tuple[Float[Tensor, "prompt _pos_or_slot d_model"], ...]
    """What each block read. Here and below the last block's entry is at slots instead of positions."""
    z: tuple[Float[Tensor, "prompt _pos_or_slot head d_head"], ...]
    logits: Float[Tensor, "prompt slot d_vocab"]
    latest: dict[int, Any] = field(default_factory=dict)
    """What was computed last about one layer, for the next sets that begin in it."""

    def attn_out(self, anatomy: Anatomy, layer: int) -> Float[Tensor, "prompt _pos_or_slot d_model"]:
        """What a block's attention wrote: computed from `z`, because to keep it takes a third more memory."""
        return anatomy.blocks[layer].out_proj(self.z[layer].flatten(-2))


@dataclass(frozen=True)
class Packing:
    """Rows at slots, side by side in sequences of the usual length, because models reshape by that length."""

    position: Int[Tensor, "sequence slot"]
    n_positions: int

    def gather(self, values: Float[Tensor, "sequence pos width"]) -> Float[Tensor, "sequence slot width"]:
        """The rows at slots."""
        return values.gather(1, self._index(values))

    def scatter(self, rows: Float[Tensor, "sequence slot width"]) -> Float[Tensor, "sequence pos width"]:
        """The rows back in their places, zeros elsewhere."""
        return self.put(rows.new_zeros(len(rows), self.n_positions, rows.shape[-1]), rows)

    def put(
        self, values: Float[Tensor, "sequence pos width"], rows: Float[Tensor, "sequence slot width"]
    ) -> Float[Tensor, "sequence pos width"]:
        """A copy of `values` that has `rows` at slots."""
        return values.scatter(1, self._index(values), rows)

    def pack(self, rows: Float[Tensor, "sequence slot width"]) -> Float[Tensor, "packed pos width"]:
        """The rows side by side; the last sequence is filled up with zeros."""
        flat = rows.flatten(0, 1)
        n_packed = -(-len(flat) // self.n_positions)
        filled = nn.functional.pad(flat, (0, 0, 0, n_packed * self.n_positions - len(flat)))
        return filled.unflatten(0, (n_packed, self.n_positions))

    def unpack(self, packed: Float[Tensor, "*packed width"]) -> Float[Tensor, "sequence slot width"]:
        """The rows sequence by sequence again."""
        flat = packed.flatten(0, -2)[: self.position.numel()]
        return flat.unflatten(0, tuple(self.position.shape))

    def _index(self, values: Tensor) -> Tensor:
        return self.position.to(values.device)[..., None].expand(-1, -1, values.shape[-1])


def unedited(z: Tensor) -> Tensor:
    """The edit that changes nothing."""
    return z


def editing(anatomy: Anatomy, sets: Sequence[HeadSet], layer: int, z: Tensor) -> Edit:
    """Replace each set's heads of one layer in the sequences that belong to the set."""
    chosen = torch.tensor([[Head(layer, index) in heads for index in range(anatomy.n_heads)] for heads in sets])

    def edit(flat: Tensor) -> Tensor:
        by_head = flat.unflatten(-1, (anatomy.n_heads, anatomy.d_head)).unflatten(0, (len(sets), -1))
        mask = chosen.to(flat.device)[:, None, None, :, None]
        return torch.where(mask, z.to(by_head), by_head).flatten(0, 1).flatten(-2)

    return edit


@contextmanager
def editing_z(out_proj: nn.Module, edit: Edit) -> Iterator[None]:
    """Within the block, the output projection reads edited heads."""
    with hooked(out_proj.register_forward_pre_hook(lambda _module, args: (edit(args[0]), *args[1:]))):
        yield
