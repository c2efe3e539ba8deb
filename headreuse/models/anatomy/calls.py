"""How parts of a model are called, and how they are made to compute something else for a while."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


def logits_of(output: Any) -> Tensor:
    """The logits in whatever a model returned."""
    if isinstance(output, Tensor):
        return output
    return output[0] if isinstance(output, tuple) else output.logits


@contextmanager
def forwards_replaced(replacements: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Within the block each module computes its replacement, afterwards what it did before; also after an exception.

    A module may already have a forward of its own in its `__dict__`, set by whoever gave us the model.
    """
    before = {module: module.__dict__.get("forward") for module in replacements}
    try:
        for module, replacement in replacements.items():
            module.__dict__["forward"] = replacement
        yield
    finally:
        for module, forward in before.items():
            module.__dict__.pop("forward", None)
            if forward is not None:
                module.__dict__["forward"] = forward


@contextmanager
def hooked(*handles: Any) -> Iterator[None]:
    """Within the block the hooks are in place, afterwards they are removed; also after an exception."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def first_tensor(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """What a block or an attention module reads: its first argument, or the one named `hidden_states`."""
    value = args[0] if args else kwargs.get("hidden_states")
    return value if isinstance(value, Tensor) else None


def with_first_tensor(
    value: Tensor, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same arguments with another first tensor."""
    if args:
        return (value, *args[1:]), dict(kwargs)
    return args, {**kwargs, "hidden_states": value}


def main_output(output: Any) -> Any:
    """The hidden states in what a block or an attention module returned."""
    return output[0] if isinstance(output, tuple) else output
