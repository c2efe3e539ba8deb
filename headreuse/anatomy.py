"""Where are a decoder's blocks, their attention and its output projection? Found by what the parts do, not by names."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from headreuse.problems import HeadreuseError

PROBE_LENGTH = 3
"""Tokens of the probe; two would do."""


class UnrecognisedModelError(HeadreuseError):
    """A model whose heads could not be found; nothing is guessed."""


@dataclass(frozen=True)
class Block:
    """One decoder block and the parts of it that matter to heads."""

    module: nn.Module
    attention: nn.Module
    """The smallest part in which one position reads another."""
    out_proj: nn.Linear | Conv1D
    """The linear map whose input is `z`, the heads side by side."""
    pointwise: tuple[nn.Module, ...]
    """Linear maps in the attention that serve only their own position: the queries', where it is a map of its own."""
    n_returned: int | None
    """How many things the block returns as a tuple; None where it returns the stream alone."""
    n_attention_returned: int | None

    @property
    def W_O(self) -> Float[Tensor, "z d_model"]:
        """The output projection's weight, input dimension first."""
        return self.out_proj.weight if isinstance(self.out_proj, Conv1D) else self.out_proj.weight.T

    def returning(self, stream: Tensor) -> Any:
        """`stream` in the form in which the block returns it."""
        return _as_returned(stream, self.n_returned)

    def attention_returning(self, attended: Tensor) -> Any:
        """`attended` in the form in which the attention returns it."""
        return _as_returned(attended, self.n_attention_returned)


@dataclass(frozen=True)
class Anatomy:
    """A decoder-only transformer with its heads found."""

    model: PreTrainedModel
    """The Hugging Face model; inside a booted bridge, the one that it wraps."""
    blocks: tuple[Block, ...]
    n_heads: int
    d_head: int
    """Width of one head's slice of `z`."""
    d_model: int

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @cached_property
    def d_widest(self) -> int:
        """Width of the widest activation in a block."""
        parts = [part for block in self.blocks for part in block.module.modules()]
        return max(max(part.weight.shape) for part in parts if isinstance(part, (nn.Linear, Conv1D)))

    @property
    def device(self) -> torch.device:
        """Where the token ids go."""
        return device_of(self.model)


def _as_returned(value: Tensor, n_returned: int | None) -> Any:
    return value if n_returned is None else (value, *[None] * (n_returned - 1))


def unwrapped(model: Any) -> PreTrainedModel:
    """The Hugging Face model inside a TransformerLens bridge or a compiled module; any other model itself."""
    for wrapper in ("original_model", "_orig_mod"):
        inner = getattr(model, wrapper, None)
        if isinstance(inner, nn.Module):
            return unwrapped(inner)
    return model


def device_of(model: Any) -> torch.device:
    """Where token ids go: the input embedding's device, also when the model is spread over several."""
    return next(unwrapped(model).get_input_embeddings().parameters()).device


def logits_of(output: Any) -> Tensor:
    """The logits in whatever a model returned."""
    if isinstance(output, Tensor):
        return output
    return output[0] if isinstance(output, tuple) else output.logits


@contextmanager
def forwards_replaced(replacements: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Within the block, each module computes its replacement; also after an exception it is itself again."""
    kept = {module: module.__dict__.get("forward") for module in replacements}
    try:
        for module, replacement in replacements.items():
            module.__dict__["forward"] = replacement
        yield
    finally:
        for module, own in kept.items():
            module.__dict__.pop("forward", None)
            if own is not None:
                module.__dict__["forward"] = own


@contextmanager
def hooked(*handles: Any) -> Iterator[None]:
    """Within the block the hooks are in place; also after an exception they are gone."""
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


def find_anatomy(model: Any) -> Anatomy:
    """Find the heads of a Hugging Face decoder or a TransformerLens bridge.

    A probe makes position 0 of every block's input NaN: what turns later positions NaN is attention, whatever the
    weights hold, and its last linear map as wide as the heads is the output projection.
    """
    network = unwrapped(model)
    config = getattr(network, "config", None)
    n_heads, n_layers = (getattr(config, name, None) for name in ("num_attention_heads", "num_hidden_layers"))
    if not isinstance(n_heads, int) or not isinstance(n_layers, int):
        raise UnrecognisedModelError(
            f"{type(network).__name__} has no config with num_attention_heads and num_hidden_layers; "
            "give a Hugging Face decoder or a TransformerLens bridge"
        )
    layers = _blocks(network, n_layers)
    calls = _probe(network, layers, taint=set(layers))
    dissected = [_dissect(layer, calls, config) for layer in layers]
    pointwise = _pointwise(network, layers, dissected)
    n_returned = {call.module: call.n_returned for call in calls}
    blocks = tuple(
        Block(layer, attention, out_proj, tuple(pointwise[attention]), n_returned[layer], n_returned[attention])
        for layer, (attention, out_proj) in zip(layers, dissected, strict=True)
    )
    width, d_model = blocks[0].W_O.shape
    if any(block.W_O.shape != (width, d_model) for block in blocks):
        raise UnrecognisedModelError(f"{type(network).__name__}: its blocks have heads of different sizes")
    return Anatomy(network, blocks, n_heads, width // n_heads, d_model)


def _blocks(network: PreTrainedModel, n_layers: int) -> list[nn.Module]:
    lists = [m for m in network.modules() if isinstance(m, nn.ModuleList) and len(m) == n_layers]
    if not lists:
        raise UnrecognisedModelError(f"{type(network).__name__}: no list of its {n_layers} blocks was found")
    return list(lists[0])


@dataclass(frozen=True)
class _Call:
    """One module call of the probe."""

    module: nn.Module
    input: Tensor | None
    output: Any
    n_returned: int | None

    @property
    def mixes(self) -> bool:
        """Whether position 1 became NaN although only position 0 was."""
        if not _is_stream(self.input) or not _is_stream(self.output):
            return False
        return _is_nan(self.output, 1) and not _is_nan(self.input, 1)


def _is_stream(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 3 and value.shape[:2] == (1, PROBE_LENGTH)


def _is_nan(stream: Any, position: int) -> bool:
    return bool(stream[0, position].isnan().any())


def is_linear(module: nn.Module) -> bool:
    """Whether a module is a plain linear map."""
    return isinstance(module, (nn.Linear, Conv1D))


def _probe(network: PreTrainedModel, layers: list[nn.Module], taint: set[nn.Module]) -> list[_Call]:
    """The calls in blocks that each read made-up values, with NaN at position 0 of what the `taint` modules handle.

    A block is tainted at its input, any other module at its output.
    """
    calls: list[_Call] = []

    def feed(module: nn.Module, args: Any, kwargs: Any) -> Any:
        hidden = first_tensor(args, kwargs)
        assert hidden is not None
        fresh = torch.linspace(-1, 1, hidden.numel(), device=hidden.device, dtype=hidden.dtype).reshape(hidden.shape)
        fresh[:, 0] = float("nan") if module in taint else 0.5
        return with_first_tensor(fresh, args, kwargs)

    def record(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        value = main_output(output)
        if isinstance(value, Tensor):
            # Some blocks add to a part's output in place, after the part has returned it.
            value = value.clone()
        if module in taint and module not in layers:
            value[:, 0] = float("nan")
            output = value.clone()
        n_returned = len(output) if isinstance(output, tuple) else None
        calls.append(_Call(module, first_tensor(args, kwargs), value, n_returned))
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


def _dissect(layer: nn.Module, calls: list[_Call], config: Any) -> tuple[nn.Module, nn.Linear | Conv1D]:
    """The attention of one block and the output projection in it."""
    parts = set(layer.modules())
    mixing = {call.module for call in calls if call.module in parts and call.mixes}
    smallest = [m for m in mixing if not mixing & (set(m.modules()) - {m})]
    if len(smallest) != 1:
        raise UnrecognisedModelError(
            f"{type(layer).__name__}: a block should hold one attention module; {len(smallest)} were found"
        )
    attention = smallest[0]
    inside = set(attention.modules())
    output = next(call.output for call in calls if call.module is attention)
    linears = [call for call in calls if call.module in inside and is_linear(call.module) and _is_stream(call.input)]
    width = config.num_attention_heads * (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    for call in reversed(linears):
        assert call.input is not None
        ends = (
            torch.equal(call.output.nan_to_num(), output.nan_to_num()) if call.output.shape == output.shape else False
        )
        z_width = call.input.shape[-1]
        if (z_width == width or ends) and z_width % config.num_attention_heads == 0:
            return attention, call.module  # type: ignore[return-value]
    name = type(attention).__name__
    raise UnrecognisedModelError(
        f"{name}: no linear map from {config.num_attention_heads} heads to the residual stream found"
    )


def _pointwise(
    network: PreTrainedModel, layers: list[nn.Module], dissected: list[tuple[nn.Module, nn.Linear | Conv1D]]
) -> dict[nn.Module, list[nn.Module]]:
    """For each attention the linear maps whose NaN at position 0 stays there; a key's or a value's would spread."""
    found: dict[nn.Module, list[nn.Module]] = {attention: [] for attention, _ in dissected}
    columns = [[m for m in a.modules() if is_linear(m) and m is not out_proj] for a, out_proj in dissected]
    for index in range(max(map(len, columns))):
        tainted = {column[index] for column in columns if index < len(column)}
        outputs = {call.module: call.output for call in _probe(network, layers, tainted) if call.module in found}
        for (attention, _), column in zip(dissected, columns, strict=True):
            if index < len(column) and _is_nan(outputs[attention], 0) and not _is_nan(outputs[attention], 1):
                found[attention].append(column[index])
    return found
