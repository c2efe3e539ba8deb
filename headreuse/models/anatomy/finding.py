"""Where are a decoder's blocks, their attention and its output projection? Found by what the parts do, not by names."""

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from headreuse.errors import HeadreuseError
from headreuse.models.anatomy.decoder import Anatomy, Block, FeedForward, is_linear, unwrapped
from headreuse.models.anatomy.probing import Call, is_nan, is_stream, probed


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
    calls = probed(network, layers, taint=set(layers))
    dissected = [_dissect(layer, calls, config) for layer in layers]
    pointwise = _pointwise(network, layers, dissected)
    n_returned = {call.module: call.n_returned for call in calls}
    calls = probed(network, layers, taint=set())
    blocks = tuple(
        Block(
            layer,
            attention,
            out_proj,
            tuple(pointwise[attention]),
            _feed_forward(layer, attention, calls),
            n_returned[layer],
            n_returned[attention],
        )
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


def _dissect(layer: nn.Module, calls: list[Call], config: Any) -> tuple[nn.Module, nn.Linear | Conv1D]:
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
    linears = [call for call in calls if call.module in inside and is_linear(call.module) and is_stream(call.input)]
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
        outputs = {call.module: call.output for call in probed(network, layers, tainted) if call.module in found}
        for (attention, _), column in zip(dissected, columns, strict=True):
            if index < len(column) and is_nan(outputs[attention], 0) and not is_nan(outputs[attention], 1):
                found[attention].append(column[index])
    return found


def _feed_forward(layer: nn.Module, attention: nn.Module, calls: list[Call]) -> FeedForward | None:
    """The norm that reads stream plus attention, and the linear maps that read what it returned."""
    stream = next(call.input for call in calls if call.module is layer)
    attended = next(call.output for call in calls if call.module is attention)
    if stream is None or stream.shape != attended.shape:
        return None
    parts = set(layer.modules()) - set(attention.modules()) - {layer}
    beside = [call for call in calls if call.module in parts]
    linears = [call for call in beside if is_linear(call.module)]
    for call in [call for call in beside if not is_linear(call.module)]:
        read = call.input
        reads_both = read is not None and read.shape == stream.shape and torch.allclose(read, stream + attended)
        readers = [linear.module for linear in linears if linear.input is call.returned]
        if reads_both and readers and len(readers) == len(set(readers)):
            return FeedForward(call.module, tuple(readers))
    return None
