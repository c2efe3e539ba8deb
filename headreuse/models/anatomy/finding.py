"""Where are a decoder's blocks, their attention and its output projection? Found by what the parts do, not by names."""

from weakref import WeakKeyDictionary

import torch
from torch import nn
from transformers import PreTrainedModel

from headreuse.errors import HeadreuseError
from headreuse.models.anatomy.adapters import linear_maps
from headreuse.models.anatomy.decoder import (
    Anatomy,
    Block,
    Decoder,
    FeedForward,
    LinearMap,
    UnrecognisedModelError,
    first_nan_weight,
    unwrapped,
)
from headreuse.models.anatomy.output_projection import output_projections
from headreuse.models.anatomy.probing import (
    Call,
    Values,
    alike,
    alike_but_last,
    is_nan,
    nan_at_first,
    probed,
    varied,
    varied_but_nan,
)

CAUSAL_TOLERANCE = 1e-2
"""How far, as a fraction, an output may move by rounding where nothing that it reads has changed."""


_FOUND: WeakKeyDictionary[PreTrainedModel, tuple[object, Anatomy]] = WeakKeyDictionary()


def anatomy_of(model: Decoder) -> Anatomy:
    """The heads of a model. They are found once, and again when a part of the model has been replaced."""
    network = unwrapped(model)
    # What is no Transformers model has none of these, and is refused below.
    settings = (getattr(network, name, None) for name in ("dtype", "device"))
    attention = getattr(getattr(network, "config", None), "_attn_implementation", None)
    parts = (attention, *settings, *map(id, network.modules()))
    if network not in _FOUND or _FOUND[network][0] != parts:
        _FOUND[network] = (parts, find_anatomy(network))
    return _FOUND[network][1]


def find_anatomy(model: Decoder) -> Anatomy:
    """Find the heads of a Hugging Face decoder, with adapters or without, or of a TransformerLens bridge."""
    network = unwrapped(model)
    config = getattr(network, "config", None)
    n_heads, n_layers = (getattr(config, name, None) for name in ("num_attention_heads", "num_hidden_layers"))
    if not isinstance(n_heads, int) or not isinstance(n_layers, int):
        raise UnrecognisedModelError(
            f"{type(network).__name__} has a config without num_attention_heads and num_hidden_layers; "
            "give a Hugging Face decoder, a PEFT model of one or a TransformerLens bridge"
        )
    nan_weight = first_nan_weight(network)
    if nan_weight is not None:
        raise HeadreuseError(f"{type(network).__name__}: its weights hold NaN, first in {nan_weight}")
    blocks = _found_blocks(network, _layers(network, n_layers), n_heads)
    d_z, d_model = blocks[0].W_O.shape
    if any(block.W_O.shape != (d_z, d_model) for block in blocks):
        raise UnrecognisedModelError(f"{type(network).__name__}: its blocks have heads of different sizes")
    return Anatomy(network, blocks, n_heads, d_z // n_heads, d_model)


def _found_blocks(network: PreTrainedModel, layers: list[nn.Module], n_heads: int) -> tuple[Block, ...]:
    # Any arithmetic on NaN gives NaN, whatever the weights hold: even 0 · NaN. So where position 0 of what blocks read
    # is NaN and nothing else is, the parts that make later positions NaN are those in which positions read each other.
    calls = probed(network, layers, varied_but_nan)
    attentions = [_attention(layer, calls) for layer in layers]
    _require_causal(network, layers)
    maps = [linear_maps(layer, calls) for layer in layers]
    projections = output_projections(network, layers, maps, calls, n_heads)
    pointwise = _pointwise(network, layers, attentions, _within(attentions, maps, projections))
    n_returned = {call.module: call.n_returned for call in calls}
    calls = probed(network, layers, varied)
    return tuple(
        Block(
            layer,
            attention,
            out_proj,
            tuple(pointwise[attention]),
            _feed_forward(layer, attention, set(of_layer.values()), calls),
            n_returned[layer],
            n_returned[attention],
        )
        for layer, attention, of_layer, out_proj in zip(layers, attentions, maps, projections, strict=True)
    )


def _within(
    attentions: list[nn.Module], maps: list[dict[LinearMap, nn.Module]], projections: list[nn.Module]
) -> list[list[nn.Module]]:
    """The linear maps of each attention, without the output projection."""
    return [
        [part for part in of_layer.values() if part in set(attention.modules()) and part is not out_proj]
        for attention, of_layer, out_proj in zip(attentions, maps, projections, strict=True)
    ]


def _layers(network: PreTrainedModel, n_layers: int) -> list[nn.Module]:
    lists = [m for m in network.modules() if isinstance(m, nn.ModuleList) and len(m) == n_layers]
    if not lists:
        raise UnrecognisedModelError(f"{type(network).__name__}: no list of its {n_layers} blocks was found")
    return list(lists[0])


def _attention(layer: nn.Module, calls: list[Call]) -> nn.Module:
    """The smallest part of one block in which positions are mixed."""
    parts = set(layer.modules())
    mixing = {call.module for call in calls if call.module in parts and call.mixes}
    smallest = [m for m in mixing if not mixing & (set(m.modules()) - {m})]
    if len(smallest) != 1:
        raise UnrecognisedModelError(
            f"{type(layer).__name__}: a block should hold one attention module; {len(smallest)} were found"
        )
    return smallest[0]


def _require_causal(network: PreTrainedModel, layers: list[nn.Module]) -> None:
    """Refuse a model in which a position reads later ones, as BERT's do unless it is loaded as a decoder.

    NaN cannot show this: a masked score is NaN too where its key is. So the last position reads another value.
    """
    probes = [probed(network, layers, reading) for reading in (alike, alike_but_last)]
    before, after = ({call.module: call.output for call in calls} for calls in probes)
    for layer in layers:
        earlier, change = before[layer][:, :-1], (after[layer] - before[layer])[:, :-1]
        if change.abs().nan_to_num().max() > CAUSAL_TOLERANCE * earlier.abs().nan_to_num().max():
            raise UnrecognisedModelError(
                f"{type(network).__name__} reads later positions too, so it is no decoder; "
                "load it with is_decoder=True if it has this setting"
            )


def _pointwise(
    network: PreTrainedModel, layers: list[nn.Module], attentions: list[nn.Module], columns: list[list[nn.Module]]
) -> dict[nn.Module, list[nn.Module]]:
    """For each attention the linear maps that serve only their own position.

    A key or a value is read by later positions, a query by its own alone. So where the output of one linear map is NaN
    at position 0, the attention's output is NaN at position 1 too, unless the map makes queries (or a gate) and nothing
    else. One probe tests one map of every block; `columns` are those of each block's attention.
    """
    found: dict[nn.Module, list[nn.Module]] = {attention: [] for attention in attentions}
    for index in range(max(map(len, columns))):
        tainted: dict[nn.Module, Values] = {c[index]: nan_at_first for c in columns if index < len(c)}
        calls = probed(network, layers, varied, changed=tainted)
        outputs = {call.module: call.output for call in calls if call.module in found}
        for attention, column in zip(attentions, columns, strict=True):
            if index < len(column) and is_nan(outputs[attention], 0) and not is_nan(outputs[attention], 1):
                found[attention].append(column[index])
    return found


def _feed_forward(
    layer: nn.Module, attention: nn.Module, maps: set[nn.Module], calls: list[Call]
) -> FeedForward | None:
    """The norm that reads the block's input plus its attention's output, and the linear maps that read that norm.

    The norm is known by the values that it reads, which no other part has in a sequential block. The linear maps are
    known by reading the very object that the norm returned: a copy, a slice or a sum would be another one. If something
    that is no module reads the norm too, this does not see it; the check of the replay against full passes does.
    """
    resid_pre = next(call.input for call in calls if call.module is layer)
    attn_out = next(call.output for call in calls if call.module is attention)
    if resid_pre is None or resid_pre.shape != attn_out.shape:
        return None
    resid_mid = resid_pre + attn_out
    parts = set(layer.modules()) - set(attention.modules()) - {layer}
    outside = [call for call in calls if call.module in parts]
    linears = [(call.module, call.input) for call in outside if call.module in maps]
    for call in [call for call in outside if call.module not in maps]:
        read = call.input
        reads_resid_mid = read is not None and read.shape == resid_mid.shape and torch.allclose(read, resid_mid)
        readers = [linear for linear, its_input in linears if its_input is call.returned]
        if reads_resid_mid and readers and len(readers) == len(set(readers)):
            return FeedForward(call.module, tuple(readers))
    return None
