"""The block that is ablated: its attention's output is the clean one plus (z′ − z)_h W_O[h] for each head.

That change has the rank of the heads. Where a norm and linear maps read stream plus attention, each map's output is the
clean one, scaled, plus a product d_head wide: exact, and an eighth of the arithmetic of the whole map at 8 heads.
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
    """A forward for the sets' first block that takes its stream and its attention's output as given."""
    layer = min(head.layer for head in sets[0])
    block, n_sets = anatomy.blocks[layer], len(sets)
    W_O = block.W_O.unflatten(0, (anatomy.n_heads, anatomy.d_head))
    changes = [_changes(run, heads, layer, z) for heads in sets]
    in_last = layer == anatomy.n_layers - 1
    shape = packing.pack if in_last else unedited
    stream = shape(run.streams[layer].expand(n_sets, -1, -1, -1).flatten(0, 1))
    attended = shape(_sums(run.attended[layer].expand(n_sets, -1, -1, -1), changes, W_O).flatten(0, 1))
    read = _read_by_feed_forward(anatomy, run, layer)
    instead = {} if read is None else _shortcut(read, changes, packing if in_last else None)
    forward = block.module.forward
    return lambda *args, **kwargs: rest_of_block(
        block, forward, (args, kwargs), stream=stream, attended=attended, instead=instead
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
    """Clean values plus change times weight for each head of each set; a copy first would be a pass more over both."""
    made = torch.empty(clean.shape, dtype=clean.dtype, device=clean.device)
    for row, own, ((index, change), *more) in zip(made, clean, changes, strict=True):
        flat = row.flatten(0, 1)
        torch.addmm(own.flatten(0, 1), change.flatten(0, 1), weight[index], out=flat)
        for index, change in more:
            flat.addmm_(change.flatten(0, 1), weight[index])
    return made


@dataclass(frozen=True)
class Reader:
    """A linear map that reads the norm before the feed-forward, in a clean run."""

    module: nn.Module
    clean: Float[Tensor, "prompt pos width"]
    """What it said, less the constant."""
    constant: Float[Tensor, "width"]
    """What it says whatever it reads: its bias, and what it makes of the norm's."""
    W_OR: Float[Tensor, "head d_head width"]
    """From a head's `z` to what the map says, at a scale of 1."""


@dataclass(frozen=True)
class ReadByFeedForward:
    """What came to the feed-forward of one block in a clean run."""

    module: nn.Module
    norm: Norm
    scale: Float[Tensor, "prompt pos 1"]
    readers: tuple[Reader, ...]


def _read_by_feed_forward(anatomy: Anatomy, run: CleanRun, layer: int) -> ReadByFeedForward | None:
    """None where the block has no norm and linear maps that read stream plus attention. One layer is remembered."""
    feed_forward = anatomy.blocks[layer].feed_forward
    if feed_forward is None:
        return None
    if layer not in run.latest:
        run.latest.clear()
        run.latest[layer] = _read(anatomy, run, layer, feed_forward)
    return run.latest[layer]


def _read(anatomy: Anatomy, run: CleanRun, layer: int, feed_forward: FeedForward) -> ReadByFeedForward | None:
    middle = run.streams[layer] + run.attended[layer]
    norm = read_norm(feed_forward.norm, middle)
    if norm is None:
        return None
    normed = feed_forward.norm(middle)
    W_O = norm.direction(anatomy.blocks[layer].W_O).to(middle)
    readers = []
    for module in feed_forward.readers:
        constant = module(norm.bias.to(middle)[None])[0]
        W_OR = (W_O @ weight_of(module)).unflatten(0, (anatomy.n_heads, anatomy.d_head))
        readers.append(Reader(module, module(normed) - constant, constant, W_OR))
    return ReadByFeedForward(feed_forward.norm, norm, norm.scale(middle), tuple(readers))


def _shortcut(
    read: ReadByFeedForward, changes: list[list[Change]], packing: Packing | None
) -> dict[nn.Module, Callable[[Tensor], Tensor]]:
    """Forwards by which the linear maps say what they would, without reading the norm's output, which is not made.

    `packing` is given where rows lie side by side in the model.
    """
    scales: list[Float[Tensor, "set prompt pos 1"]] = []

    def norm(stream: Tensor) -> Tensor:
        rows = stream if packing is None else packing.unpack(stream)
        scales[:] = [read.norm.scale(rows).unflatten(0, (len(changes), -1))]
        # Should something else read the norm after all, the check against full passes is to see it.
        return stream.new_full((), float("nan")).expand_as(stream)

    def saying(reader: Reader) -> Callable[[Tensor], Tensor]:
        def say(_normed: Tensor) -> Tensor:
            said = reader.clean * (scales[0] / read.scale).to(reader.clean)
            for row, own, scale in zip(said, changes, scales[0].to(said), strict=True):
                for index, change in own:
                    row.flatten(0, 1).addmm_((change * scale).flatten(0, 1), reader.W_OR[index])
            if reader.constant.any():
                said += reader.constant
            said = said.flatten(0, 1)
            return said if packing is None else packing.pack(said)

        return say

    return {read.module: norm} | {reader.module: saying(reader) for reader in read.readers}
