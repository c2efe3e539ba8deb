"""Where are a decoder's blocks, their attention and its output projection? Found by what the parts do, not by names."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from headreuse.anatomy.calls import first_tensor, hooked, main_output, with_first_tensor
from headreuse.anatomy.decoder import Anatomy, Block, device_of, is_linear, unwrapped
from headreuse.problems import HeadreuseError

PROBE_LENGTH = 3
"""Tokens of the probe; two would do."""


class UnrecognisedModelError(HeadreuseError):
    """A model whose heads could not be found; nothing is guessed."""


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
