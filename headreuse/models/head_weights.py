"""The weights that belong to one head: its slices of the query, key, value and output maps, and how they are moved."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from headreuse.errors import HeadreuseError
from headreuse.models.anatomy import Anatomy, weight_of
from headreuse.records import Head

READERS = ("q_proj", "k_proj", "v_proj")
"""How the maps are called in which each head has rows of its own; that which reads `z` has columns."""


@contextmanager
def heads_from(donor: Anatomy, receiver: Anatomy, heads: Collection[Head]) -> Iterator[None]:
    """Within the block these heads of the receiver have the donor's weights; afterwards their own again, to the bit."""
    pairs = [
        pair
        for head in sorted(heads)
        for pair in zip(*(_slices(one, head, heads) for one in (donor, receiver)), strict=True)
    ]
    before = [mine.clone() for _, mine in pairs]
    try:
        with torch.no_grad():
            for theirs, mine in pairs:
                mine.copy_(theirs)
        yield
    finally:
        with torch.no_grad():
            for (_, mine), own in zip(pairs, before, strict=True):
                mine.copy_(own)


def _slices(anatomy: Anatomy, head: Head, together: Collection[Head]) -> list[Tensor]:
    """Views of the weights of one head."""
    attention = anatomy.blocks[head.layer].attention
    maps = dict(attention.named_children())
    _require_known_parts(attention, maps)
    rows = slice(head.head_index * anatomy.d_head, (head.head_index + 1) * anatomy.d_head)
    n_groups = len(weight_of(maps["k_proj"]).T) // anatomy.d_head
    group = head.head_index * n_groups // anatomy.n_heads
    _require_whole_group(anatomy, head, together, anatomy.n_heads // n_groups)
    of_group = slice(group * anatomy.d_head, (group + 1) * anatomy.d_head)
    found = [anatomy.blocks[head.layer].out_proj.weight[:, rows]]  # type: ignore[index]
    for name in READERS:
        here = rows if name == "q_proj" else of_group
        found += [values[here] for values in maps[name].parameters()]
    return found


def _require_known_parts(attention: nn.Module, maps: dict[str, nn.Module]) -> None:
    """Refuse attention that holds other weights than the four maps: nothing says which head those belong to."""
    others = [name for name, _ in attention.named_parameters() if name.split(".")[0] not in (*READERS, "o_proj")]
    if others or not all(isinstance(maps.get(name), nn.Linear) for name in (*READERS, "o_proj")):
        found = ", ".join(others or maps)
        raise HeadreuseError(
            f"{type(attention).__name__} has {found} in the place of {', '.join(READERS)} and o_proj alone, so nothing "
            'tells which weights are those of one head; take what heads write: what="z"'
        )


def _require_whole_group(anatomy: Anatomy, head: Head, together: Collection[Head], size: int) -> None:
    first = head.head_index // size * size
    group = [Head(head.layer, first + place) for place in range(size)]
    if any(one not in together for one in group):
        raise HeadreuseError(
            f"heads {', '.join(map(str, group))} share their keys and values, so the weights of {head} cannot move "
            'alone; give all of them together, or what="z"'
        )
