"""A probe: blocks read made-up values, and what each of their parts makes of them is written down."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel

from headreuse.models.anatomy.calls import first_tensor, hooked, main_output, with_first_tensor
from headreuse.models.anatomy.decoder import device_of

PROBE_LENGTH = 5
"""Tokens of the probe: few, and enough to tell two heads apart by how they mix them."""

Values = Callable[[Tensor], Tensor]
"""Makes values of the same shape, type and device as those that are given."""


@dataclass(frozen=True)
class Call:
    """One call of a module in a probe."""

    module: nn.Module
    input: Tensor | None
    output: Any
    """Its hidden states as they were when it returned."""
    returned: Any
    """The same object that it returned."""
    n_returned: int | None
    """How many things it returned as a tuple; None where it returned one thing."""

    @property
    def mixes(self) -> bool:
        """Whether position 1 became NaN although its input was NaN at position 0 alone."""
        if not is_by_position(self.input) or not is_by_position(self.output):
            return False
        return is_nan(self.output, 1) and not is_nan(self.input, 1)

    @property
    def reads_mixed(self) -> bool:
        """Whether it read NaN at position 1, where nothing was NaN before positions were mixed."""
        return isinstance(self.input, Tensor) and is_nan(self.input, 1)


def is_by_position(value: Any) -> TypeGuard[Tensor]:
    """Whether a value is `1 pos width`, one row for each token of the probe."""
    return isinstance(value, Tensor) and value.ndim == 3 and value.shape[:2] == (1, PROBE_LENGTH)


def is_nan(value: Tensor, position: int) -> bool:
    """Whether anything is NaN at a position; False where a value has no positions."""
    dim = _position_dim(value)
    return dim is not None and bool(value.select(dim, position).isnan().any())


def _position_dim(value: Tensor) -> int | None:
    """Which dimension is positions: `1 pos …`, `pos …` or `1 head pos …`."""
    dims = [dim for dim in (1, 0, 2) if dim < value.ndim - 1 and value.shape[dim] == PROBE_LENGTH]
    return dims[0] if dims else None


def varied(like: Float[Tensor, "1 pos width"]) -> Float[Tensor, "1 pos width"]:
    """Another value everywhere, except at position 0."""
    values = torch.linspace(-1, 1, like.numel(), device=like.device, dtype=like.dtype).reshape(like.shape)
    values[:, 0] = 0.5
    return values


def alike(like: Float[Tensor, "1 pos width"]) -> Float[Tensor, "1 pos width"]:
    """The same values at every position."""
    return varied(like)[:, 1:2].expand_as(like).clone()


def alike_but_first(like: Float[Tensor, "1 pos width"]) -> Float[Tensor, "1 pos width"]:
    """The same values at every position but the first."""
    values = alike(like)
    values[:, 0] = values[:, 0].flip(-1).square()
    return values


def alike_but_last(like: Float[Tensor, "1 pos width"]) -> Float[Tensor, "1 pos width"]:
    """The same values at every position but the last."""
    return alike_but_first(like).flip(1)


def nan_at_first(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The same values with NaN at position 0; NaN everywhere where they have no positions."""
    tainted, dim = values.clone(), _position_dim(values)
    (tainted if dim is None else tainted.select(dim, 0)).fill_(float("nan"))
    return tainted


def varied_but_nan(like: Float[Tensor, "1 pos width"]) -> Float[Tensor, "1 pos width"]:
    """Another value everywhere, and NaN at position 0."""
    return nan_at_first(varied(like))


def probed(
    network: PreTrainedModel,
    layers: list[nn.Module],
    reading: Values,
    *,
    changed: Mapping[nn.Module, Values] | None = None,
) -> list[Call]:
    """The calls of all parts of the blocks `layers`, in the order in which they return.

    Args:
        network: The model.
        layers: Its blocks.
        reading: Makes the values that every block reads instead of its input.
        changed: Parts of blocks whose output is changed, and how.
    """
    changed = changed or {}
    calls: list[Call] = []

    def feed(_module: nn.Module, args: Any, kwargs: Any) -> Any:
        hidden = first_tensor(args, kwargs)
        assert hidden is not None
        return with_first_tensor(reading(hidden), args, kwargs)

    def record(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        returned = main_output(output)
        # Some blocks add to a part's output in place, after the part has returned it.
        value = returned.clone() if isinstance(returned, Tensor) else returned
        if module in changed:
            value = changed[module](value)
            output = value.clone()
        n_returned = len(output) if isinstance(output, tuple) else None
        calls.append(Call(module, first_tensor(args, kwargs), value, returned, n_returned))
        return output

    # One token everywhere, so that nothing that a block reads besides its input differs between positions.
    ids = torch.full((1, PROBE_LENGTH), network.config.vocab_size // 2, device=device_of(network))
    # Fused kernels for the processor let a NaN query reach other positions; the plain arithmetic does not.
    with ExitStack() as stack, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        for layer in layers:
            stack.enter_context(hooked(layer.register_forward_pre_hook(feed, with_kwargs=True)))
            for part in set(layer.modules()):
                stack.enter_context(hooked(part.register_forward_hook(record, with_kwargs=True)))
        network(input_ids=ids, use_cache=False)
    return calls
