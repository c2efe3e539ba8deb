"""A linear map with its adapter, LoRA's for example, is one linear map: found by what it does, whatever its class."""

import inspect

import torch
from torch import nn

from headreuse.models.anatomy.decoder import LinearMap, is_linear, weight_of
from headreuse.models.anatomy.probing import PROBE_LENGTH, Call, is_by_position

TOLERANCE, LOW_PRECISION_TOLERANCE = 1e-3, 5e-2
"""How far from affine a part may be, as a fraction of what it returns: more than rounding makes it."""


def linear_maps(layer: nn.Module, calls: list[Call]) -> dict[LinearMap, nn.Module]:
    """Each linear map of a block in the order in which they return, and the part that holds its adapter too.

    Where it has no adapter that part is the map itself. An adapter that is switched off counts too: so the part is the
    same whether it is on or off. The linear maps that an adapter consists of are left out.

    Args:
        layer: The block.
        calls: Those of a probe with NaN at position 0 of what blocks read.
    """
    inside = set(layer.modules())
    within = [call for call in calls if call.module in inside]
    found = {call.module: _with_adapter(call.module, within) for call in within if is_linear(call.module)}
    of_adapters = {part for linear, whole in found.items() if whole is not linear for part in whole.modules()}
    return {linear: whole for linear, whole in found.items() if whole is not linear or linear not in of_adapters}


def _with_adapter(linear: LinearMap, calls: list[Call]) -> nn.Module:
    """The outermost affine part whose first linear map is this one and which has weights besides it."""
    n_own, d_in = len(list(linear.parameters())), len(weight_of(linear))
    # The outermost part is the last to return. Parts that mix positions are not tried: they are no linear map of rows.
    for call in reversed(calls):
        part = call.module
        holds_more = part is not linear and _first_linear(part) is linear and len(list(part.parameters())) > n_own
        reads_as_much = is_by_position(call.input) and call.input.shape[-1] == d_in
        if holds_more and reads_as_much and not call.mixes and _is_affine(part, linear):
            return part
    return linear


def _first_linear(part: nn.Module) -> nn.Module | None:
    return next((module for module in part.modules() if is_linear(module)), None)


@torch.no_grad()
def _is_affine(part: nn.Module, linear: LinearMap) -> bool:
    """Whether a part takes one tensor of the linear map's input size and maps each of its rows by one affine map."""
    arguments = inspect.signature(part.forward).parameters.values()
    if sum(a.default is a.empty and a.kind is a.POSITIONAL_OR_KEYWORD for a in arguments) != 1:
        return False
    weight = weight_of(linear)
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 1, PROBE_LENGTH, len(weight), generator=generator).to(weight)
    of_sum, of_a, of_b, of_zero = (part(rows) for rows in (a + b, a, b, torch.zeros_like(a)))
    tolerance = LOW_PRECISION_TOLERANCE if weight.dtype.itemsize < torch.float32.itemsize else TOLERANCE
    return bool((of_sum + of_zero - of_a - of_b).abs().max() <= tolerance * of_a.abs().max())
