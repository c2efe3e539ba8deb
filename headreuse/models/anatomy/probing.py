"""A probe: blocks read made-up values, and what each of their parts makes of them is written down."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel

from headreuse.models.anatomy.calls import first_tensor, hooked, main_output, with_first_tensor
from headreuse.models.anatomy.decoder import device_of

PROBE_LENGTH = 3
"""Tokens of the probe; two would do."""


@dataclass(frozen=True)
class Call:
    """One module call of the probe."""

    module: nn.Module
    input: Tensor | None
    output: Any
    """Its hidden states as they were when it returned."""
    returned: Any
    """The same object that it returned."""
    n_returned: int | None

    @property
    def mixes(self) -> bool:
        """Whether position 1 became NaN although only position 0 was."""
        if not is_stream(self.input) or not is_stream(self.output):
            return False
        return is_nan(self.output, 1) and not is_nan(self.input, 1)


def is_stream(value: Any) -> bool:
    """Whether a value has one row for each token of the probe."""
    return isinstance(value, Tensor) and value.ndim == 3 and value.shape[:2] == (1, PROBE_LENGTH)


def is_nan(stream: Any, position: int) -> bool:
    """Whether anything is NaN in one row."""
    return bool(stream[0, position].isnan().any())


def probed(network: PreTrainedModel, layers: list[nn.Module], taint: set[nn.Module]) -> list[Call]:
    """The calls in blocks that each read made-up values, with NaN at position 0 of what the `taint` modules handle.

    A block is tainted at its input, any other module at its output.
    """
    calls: list[Call] = []

    def feed(module: nn.Module, args: Any, kwargs: Any) -> Any:
        hidden = first_tensor(args, kwargs)
        assert hidden is not None
        fresh = torch.linspace(-1, 1, hidden.numel(), device=hidden.device, dtype=hidden.dtype).reshape(hidden.shape)
        fresh[:, 0] = float("nan") if module in taint else 0.5
        return with_first_tensor(fresh, args, kwargs)

    def record(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        returned = main_output(output)
        # Some blocks add to a part's output in place, after the part has returned it.
        value = returned.clone() if isinstance(returned, Tensor) else returned
        if module in taint and module not in layers:
            value[:, 0] = float("nan")
            output = value.clone()
        n_returned = len(output) if isinstance(output, tuple) else None
        calls.append(Call(module, first_tensor(args, kwargs), value, returned, n_returned))
        return output

    ids = torch.arange(PROBE_LENGTH, device=device_of(network)).remainder(network.config.vocab_size)[None]
    # Fused kernels for the processor let a NaN query reach other positions; the plain arithmetic does not.
    with ExitStack() as stack, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        for layer in layers:
            stack.enter_context(hooked(layer.register_forward_pre_hook(feed, with_kwargs=True)))
            for part in set(layer.modules()):
                stack.enter_context(hooked(part.register_forward_hook(record, with_kwargs=True)))
        network(input_ids=ids, use_cache=False)
    return calls
