"""Whole forward passes with hooks: slow, sure, and what the replay is checked against."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor

from headreuse.anatomy import Anatomy, hooked


@contextmanager
def replacing_z(
    anatomy: Anatomy, heads: Mapping[int, Sequence[int]], z: Mapping[int, Float[Tensor, "*prompt pos head d_head"]]
) -> Iterator[None]:
    """Within the block, the named heads of each layer write `z` whatever they read."""
    with ExitStack() as stack:
        for layer, chosen in heads.items():

            def replace(
                _module: object, args: tuple[Tensor, ...], layer: int = layer, chosen: Sequence[int] = chosen
            ) -> tuple[Tensor, ...]:
                by_head = args[0].unflatten(-1, (anatomy.n_heads, anatomy.d_head)).clone()
                by_head[..., chosen, :] = z[layer][..., chosen, :].to(by_head)
                return (by_head.flatten(-2), *args[1:])

            out_proj = anatomy.blocks[layer].out_proj
            stack.enter_context(hooked(out_proj.register_forward_pre_hook(replace)))
        yield


def z_of(anatomy: Anatomy, tokens: Int[Tensor, "prompt pos"]) -> list[Float[Tensor, "prompt pos head d_head"]]:
    """Every layer's `z` in one plain forward pass."""
    found: dict[int, Tensor] = {}
    with ExitStack() as stack:
        for layer, block in enumerate(anatomy.blocks):

            def keep(_module: object, args: tuple[Tensor, ...], layer: int = layer) -> None:
                found[layer] = args[0].detach().unflatten(-1, (anatomy.n_heads, anatomy.d_head)).clone()

            stack.enter_context(hooked(block.out_proj.register_forward_pre_hook(keep)))
        with torch.no_grad():
            anatomy.model(input_ids=tokens, use_cache=False)
    return [found[layer] for layer in range(anatomy.n_layers)]
