"""Queries, keys, values and patterns from another run: what they make of each head's `z`.

A head's `z` depends on no other head's queries, keys and values. So one pass finds every head's patched `z` at once:
each block's attention is given the other run's queries, say, its `z` is recorded, and the clean `z` is passed on. What
follows from each head's patched `z` is then replayed head by head, as for any other replacement of `z`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from headreuse.errors import HeadreuseError
from headreuse.interventions.batch import CleanRun, Packing, Z
from headreuse.interventions.replacements import Replacement, other_run
from headreuse.interventions.subject import Subject
from headreuse.models.anatomy import Anatomy, hooked, is_bridge

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

Component = Literal["z", "q", "k", "v", "pattern"]
"""What of a head is taken from another run; under grouped-query attention, keys and values as this head reads them."""

PARTS: dict[str, tuple[str, ...]] = {"q": ("q",), "k": ("k",), "v": ("v",), "pattern": ("q", "k")}
"""A pattern is a function of queries and keys."""

See = Callable[[int, str, Tensor], Tensor]
"""Given a layer, `q`, `k` or `v`, and its value: what is used instead."""


def component_of(subject: Subject, tokens: Int[np.ndarray, "prompt pos"], component: Component) -> Replacement:
    """What each head writes if one of its components comes from a run on other tokens."""
    if component == "z":
        return other_run(subject, tokens)
    there = torch.as_tensor(tokens, device=subject.tokens.device).long()
    parts = PARTS[component]

    def z_with_component(run: CleanRun, rows: slice) -> Z:
        seen: dict[tuple[int, str], Tensor] = {}
        with _attention_seen_by(subject, lambda layer, part, value: seen.setdefault((layer, part), value)):
            subject.anatomy.model(input_ids=there[rows, : run.tokens.shape[1]], use_cache=False)
        if len(seen) != 3 * subject.anatomy.n_layers:
            raise HeadreuseError(
                f"{type(subject.anatomy.model).__name__} computes its attention itself, so its {component} cannot be "
                "reached; patch z instead, or give a TransformerLens bridge"
            )

        def substitute(layer: int, part: str, value: Tensor) -> Tensor:
            return seen[layer, part] if part in parts else value

        with _attention_seen_by(subject, substitute):
            return _z_passing_on_clean(subject.anatomy, run)

    return z_with_component


def _z_passing_on_clean(anatomy: Anatomy, run: CleanRun) -> Z:
    """Every layer's `z` while each layer passes on its clean one."""
    z: list[Tensor] = []

    def keep(_module: object, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        z.append(args[0].unflatten(-1, (anatomy.n_heads, anatomy.d_head)))
        # After the last block's attention nothing more is read.
        return None if len(z) == anatomy.n_layers else (run.z[len(z) - 1].flatten(-2), *args[1:])

    with ExitStack() as stack:
        for block in anatomy.blocks:
            stack.enter_context(hooked(block.out_proj.register_forward_pre_hook(keep)))
        anatomy.model(input_ids=run.tokens, use_cache=False)
    at_slots = Packing(run.slots.position, run.tokens.shape[1]).gather(z[-1].flatten(-2))
    return [*z[:-1], at_slots.unflatten(-1, z[-1].shape[-2:])]


@contextmanager
def _attention_seen_by(subject: Subject, see: See) -> Iterator[None]:
    """Within the block, every layer's queries, keys and values are replaced by what `see` returns."""
    with _bridge_seen_by(subject.model, see) if is_bridge(subject.model) else _functions_seen_by(subject.anatomy, see):
        yield


@contextmanager
def _bridge_seen_by(bridge: "TransformerBridge", see: See) -> Iterator[None]:
    with ExitStack() as stack:
        for layer in range(bridge.cfg.n_layers):
            for part in "qkv":

                def replace(
                    _module: object, _args: object, value: Tensor, layer: int = layer, part: str = part
                ) -> Tensor:
                    return see(layer, part, value)

                point = bridge.hook_dict[f"blocks.{layer}.attn.hook_{part}"]
                stack.enter_context(hooked(point.register_forward_hook(replace)))
        yield


@contextmanager
def _functions_seen_by(anatomy: Anatomy, see: See) -> Iterator[None]:
    """The same for Hugging Face models.

    At every call their attention modules ask the registry `ALL_ATTENTION_FUNCTIONS` for the function that takes
    queries, keys and values. So it is enough to wrap what the registry's `get_interface` returns: no model's code is
    repeated here, and every implementation (eager, SDPA, ...) works. The wrapper is put into the registry's `__dict__`,
    where it hides the class's method until it is deleted. A model that does not ask the registry shows no queries, keys
    and values, and `component_of` refuses it. No other model may run within the block: its modules have no layer here.
    """
    layers = {block.attention: layer for layer, block in enumerate(anatomy.blocks)}
    get_interface = ALL_ATTENTION_FUNCTIONS.get_interface

    def get_seen(*args: Any, **kwargs: Any) -> Callable[..., Any]:
        attend = get_interface(*args, **kwargs)

        def attend_seen(module: Any, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **more: Any) -> Any:
            layer = layers[module]
            parts = (see(layer, part, values) for part, values in zip("qkv", (query, key, value), strict=True))
            return attend(module, *parts, *rest, **more)

        return attend_seen

    ALL_ATTENTION_FUNCTIONS.__dict__["get_interface"] = get_seen
    try:
        yield
    finally:
        del ALL_ATTENTION_FUNCTIONS.__dict__["get_interface"]
