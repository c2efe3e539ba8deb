"""The block that is ablated: its attention's output is the clean one plus (z′ − z)_h W_O[h] for each head h.

That change has the rank of the heads. Where a norm and linear maps read `resid_mid`, each map's output is the clean
one, scaled, plus a product with inner dimension d_head: exact, and with 8 heads an eighth of the map's arithmetic.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from headreuse.interventions.batch import CleanRun, HeadSet, Packing, unedited
from headreuse.interventions.last_block import rest_of_block
from headreuse.models.anatomy import Anatomy, FeedForward, Norm, read_norm, weight_of

Change = tuple[int, Float[Tensor, "prompt pos d_head"]]
"""The index of a head, and z′ − z."""


def from_attention_on(
    anatomy: Anatomy,
    run: CleanRun,
    sets: Sequence[HeadSet],
    z: Float[Tensor, "#prompt #pos head d_head"],
    packing: Packing,
) -> Callable[..., Any]:
    """A forward for the block in which all sets begin; what it reads and what its attention writes are known."""
    layer = min(head.layer for head in sets[0])
    block, n_sets = anatomy.blocks[layer], len(sets)
    wrote = _written(anatomy, run, layer)
    changes = [_changes(run, heads, layer, z) for heads in sets]
    in_last = layer == anatomy.n_layers - 1
    shape = packing.pack if in_last else unedited
    resid_pre = shape(run.resid_pre[layer].expand(n_sets, -1, -1, -1).flatten(0, 1))
    attn_out = shape(_sums(wrote.attn_out.expand(n_sets, -1, -1, -1), changes, wrote.W_O).flatten(0, 1))
    instead = {} if wrote.read is None else _shortcut(wrote.read, changes, packing if in_last else None)
    forward = block.module.forward
    return lambda *args, **kwargs: rest_of_block(
        block, forward, (args, kwargs), resid_pre=resid_pre, attn_out=attn_out, instead=instead
    )


def _changes(run: CleanRun, heads: HeadSet, layer: int, z: Tensor) -> list[Change]:
    here = run.z[layer]
    indices = (head.head_index for head in heads if head.layer == layer)
    return [(index, z[..., index, :].to(here) - here[..., index, :]) for index in indices]


def _sums(
    clean: Float[Tensor, "set prompt pos width"],
    changes: list[list[Change]],
    weight: Float[Tensor, "head d_head width"],
) -> Float[Tensor, "set prompt pos width"]:
    """Clean values plus change times weight for each head of each set.

    The first product is added while the clean values are read: to copy them first would be one more pass over memory.
    """
    made = torch.empty(clean.shape, dtype=clean.dtype, device=clean.device)
    for row, clean_row, ((index, change), *more) in zip(made, clean, changes, strict=True):
        flat = row.flatten(0, 1)
        torch.addmm(clean_row.flatten(0, 1), change.flatten(0, 1), weight[index], out=flat)
        for index, change in more:
            flat.addmm_(change.flatten(0, 1), weight[index])
    return made


@dataclass(frozen=True)
class Reader:
    """A linear map that reads the norm before the feed-forward, in a clean run."""

    module: nn.Module
    clean: Float[Tensor, "prompt pos width"]
    """Its output minus the constant."""
    constant: Float[Tensor, "width"]
    """The part of its output that does not depend on its input: its bias, and the norm's bias times its weight."""
    W_OR: Float[Tensor, "head d_head width"]
    """From a head's `z` to the map's output, where the norm's scale is 1."""


@dataclass(frozen=True)
class ReadByFeedForward:
    """What the feed-forward of one block read in a clean run."""

    module: nn.Module
    norm: Norm
    scale: Float[Tensor, "prompt pos 1"]
    readers: tuple[Reader, ...]


@dataclass(frozen=True)
class Written:
    """What the attention of one block wrote in a clean run, and how the feed-forward read it."""

    attn_out: Float[Tensor, "prompt pos d_model"]
    W_O: Float[Tensor, "head d_head d_model"]
    read: ReadByFeedForward | None
    """None where the block has no norm and linear maps that read `resid_mid`."""


def _written(anatomy: Anatomy, run: CleanRun, layer: int) -> Written:
    """Only the latest layer's is kept."""
    if layer not in run.latest:
        run.latest.clear()
        block = anatomy.blocks[layer]
        attn_out, W_O = run.attn_out(anatomy, layer), block.W_O
        resid_mid = run.resid_pre[layer] + attn_out
        read = None if block.feed_forward is None else _read(anatomy, block.feed_forward, resid_mid, W_O)
        run.latest[layer] = Written(attn_out, W_O.unflatten(0, (anatomy.n_heads, anatomy.d_head)), read)
    return run.latest[layer]


def _read(
    anatomy: Anatomy,
    feed_forward: FeedForward,
    resid_mid: Float[Tensor, "prompt pos d_model"],
    W_O: Float[Tensor, "z d_model"],
) -> ReadByFeedForward | None:
    norm = read_norm(feed_forward.norm, resid_mid)
    if norm is None:
        return None
    normed = feed_forward.norm(resid_mid)
    directions = norm.direction(W_O).to(resid_mid)
    readers = []
    for module in feed_forward.readers:
        constant = module(norm.bias.to(resid_mid)[None])[0]
        W_OR = (directions @ weight_of(module)).unflatten(0, (anatomy.n_heads, anatomy.d_head))
        readers.append(Reader(module, module(normed) - constant, constant, W_OR))
    return ReadByFeedForward(feed_forward.norm, norm, norm.scale(resid_mid), tuple(readers))


# Why this is exact. Let x be the clean `resid_mid`, x′ = x + Σ_h (z′ − z)_h W_O[h] the ablated one, s and s′ the norm's
# scales of the two rows, D its linear part (centre, then weight), and R and c a reader's weight and constant. The norm
# gives s·D(x) + bias, so the reader's clean output is s·D(x) R + c, and its output for x′ is
#
#     s′·D(x′) R + c  =  (s′/s) · (clean output − c)  +  s′ · Σ_h (z′ − z)_h (D(W_O[h]) R)  +  c
#
# D(W_O[h]) R is the same for every prompt and set: `W_OR`. Only s′ needs x′ itself, and s′ is one number a row.
def _shortcut(
    read: ReadByFeedForward, changes: list[list[Change]], packing: Packing | None
) -> dict[nn.Module, Callable[[Tensor], Tensor]]:
    """Forwards for the norm and its readers: the readers give their outputs without the norm's output.

    `packing` is given where rows lie side by side in the model.
    """
    scales: list[Float[Tensor, "set prompt pos 1"]] = []

    def norm(resid_mid: Tensor) -> Tensor:
        rows = resid_mid if packing is None else packing.unpack(resid_mid)
        scales[:] = [read.norm.scale(rows).unflatten(0, (len(changes), -1))]
        # If anything but the readers uses this, NaN reaches the logits, and the check against full passes sees it.
        return resid_mid.new_full((), float("nan")).expand_as(resid_mid)

    def output_of(reader: Reader) -> Callable[[Tensor], Tensor]:
        def forward(_normed: Tensor) -> Tensor:
            output = reader.clean * (scales[0] / read.scale).to(reader.clean)
            for row, of_set, scale in zip(output, changes, scales[0].to(output), strict=True):
                for index, change in of_set:
                    row.flatten(0, 1).addmm_((change * scale).flatten(0, 1), reader.W_OR[index])
            if reader.constant.any():
                output += reader.constant
            output = output.flatten(0, 1)
            return output if packing is None else packing.pack(output)

        return forward

    return {read.module: norm} | {reader.module: output_of(reader) for reader in read.readers}
