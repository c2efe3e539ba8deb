"""Which linear map of a block reads its heads side by side? Told by where the values of other positions go.

In a probe whose position 0 alone is NaN, position 1 is NaN wherever something of another position has arrived. Then

1. the output projection is the first part with a weight matrix that reads such values: queries, keys, values and gates
   come from a position's own input, and what follows the output projection no longer has heads side by side; where it
   has an adapter, it is the part that holds both, if that part as a whole is affine;
2. with its output set to zero, no block output is NaN at position 1: nothing of other positions takes another way;
3. what it reads consists of heads: each takes one weighted sum over positions for all of its channels.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from headreuse.models.anatomy.decoder import LinearMap, UnrecognisedModelError, is_linear, weight_of
from headreuse.models.anatomy.probing import (
    Call,
    Values,
    alike,
    alike_but_first,
    is_by_position,
    is_nan,
    probed,
    varied_but_nan,
)

TOLERANCE, LOW_PRECISION_TOLERANCE = 1e-3, 5e-2
"""How far from a plane a head may write, as a fraction of how much it writes: more than rounding makes it."""


def output_projections(
    network: PreTrainedModel,
    layers: list[nn.Module],
    maps: Sequence[Mapping[LinearMap, nn.Module]],
    calls: list[Call],
    n_heads: int,
) -> list[nn.Module]:
    """The output projection of each block.

    Args:
        network: The model.
        layers: Its blocks.
        maps: Each block's linear maps, and the parts that hold their adapters too.
        calls: Those of a probe with NaN at position 0 of what blocks read.
        n_heads: Heads of each block.
    """
    readers = [_first_reader(layer, calls) for layer in layers]
    found = [of_layer.get(reader, reader) for of_layer, reader in zip(maps, readers, strict=True)]
    held: dict[nn.Module, Values] = dict.fromkeys(found, torch.zeros_like)
    outputs = {call.module: call.output for call in probed(network, layers, varied_but_nan, changed=held)}
    for layer, projection in zip(layers, found, strict=True):
        if is_nan(outputs[layer], 1):
            raise UnrecognisedModelError(
                f"{type(layer).__name__}: {_name(layer, projection)} is the first to read what attention gathered, but "
                "not all of it goes through there, so it is not the output projection; "
                "if it has an adapter, merge that first"
            )
    _require_heads(network, layers, found, n_heads)
    return found


def _first_reader(layer: nn.Module, calls: list[Call]) -> LinearMap:
    parts = set(layer.modules())
    readers = [call for call in calls if call.module in parts and call.reads_mixed and _has_matrix(call.module)]
    if not readers:
        raise UnrecognisedModelError(f"{type(layer).__name__}: no linear map reads what its attention gathered")
    module, read = readers[0].module, readers[0].input
    if not is_linear(module) or not is_by_position(read) or weight_of(module).shape[0] != read.shape[-1]:
        raise UnrecognisedModelError(
            f"{type(layer).__name__}: what its attention gathered is first read by {_name(layer, module)}, a "
            f"{type(module).__name__}, and not by one linear map that reads all heads of a position"
        )
    return module


def _require_heads(network: PreTrainedModel, layers: list[nn.Module], found: list[nn.Module], n_heads: int) -> None:
    """Refuse a model in which channels of one head are mixed differently.

    Where positions 1, 2, … read the same, a head has the same value v there, and another one, v', at position 0. So
    whatever its pattern says, it writes a·v + b·v' with two numbers a and b: its rows lie in a plane. A convolution, a
    state-space model, or a wrong number of heads gives each channel numbers of its own. Numbers that do not add up to 1
    (attention sinks) and a gate, which is the same wherever the input is, change nothing about that.
    """
    probes = [probed(network, layers, reading) for reading in (alike, alike_but_first)]
    same, first_differs = ({call.module: call.input for call in calls} for calls in probes)
    for layer, projection in zip(layers, found, strict=True):
        z = torch.cat([same[projection][0], first_differs[projection][0, 1:]])  # type: ignore[index]
        name = _name(layer, projection)
        if z.shape[-1] % n_heads:
            raise UnrecognisedModelError(
                f"{type(layer).__name__}: {name} reads {z.shape[-1]} numbers, which are not {n_heads} heads of one size"
            )
        if not _in_planes(z.unflatten(-1, (n_heads, -1))):
            raise UnrecognisedModelError(
                f"{type(layer).__name__}: what {name} reads is not mixed by {n_heads} attention heads; "
                "is it a convolution, a state-space model, or another number of heads?"
            )


def _in_planes(z: Float[Tensor, "row head d_head"]) -> bool:
    """Whether the rows of each head span no more than two dimensions; so it is taken to be where they overflow."""
    if z.shape[-1] <= 2 or not z.isfinite().all():
        return True
    tolerance = LOW_PRECISION_TOLERANCE if z.dtype.itemsize < torch.float32.itemsize else TOLERANCE
    sizes = torch.linalg.svdvals(z.double().cpu().transpose(0, 1))
    return bool(sizes[:, 2:].max() <= tolerance * sizes.max())


def _has_matrix(module: nn.Module) -> bool:
    return any(weight.ndim > 1 for weight in module.parameters(recurse=False))


def _name(layer: nn.Module, part: nn.Module) -> str:
    return next(name for name, module in layer.named_modules() if module is part)
