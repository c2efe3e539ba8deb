"""The last block, computed only where answers are predicted: no other position of it reaches a logit that counts."""

from collections.abc import Callable, Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from headreuse.interventions.batch import Edit, Packing
from headreuse.models.anatomy import Block, first_tensor, forwards_replaced, with_first_tensor


class _AttentionDone(Exception):  # noqa: N818
    """Ends a block's forward once its heads have written."""

    def __init__(self, z: Tensor) -> None:
        super().__init__()
        self.z = z


def rest_of_block(
    block: Block,
    forward: Callable[..., Any],
    call: tuple[Any, Any],
    *,
    resid_pre: Tensor,
    attn_out: Tensor,
    instead: Mapping[nn.Module, Callable[..., Any]] | None = None,
) -> Any:
    """What the block returns if it reads `resid_pre` and its attention writes `attn_out`.

    Args:
        block: The block.
        forward: Its forward before anything was replaced.
        call: The arguments that the model gave it.
        resid_pre: Read instead of the first of these arguments.
        attn_out: What the attention writes; the attention itself is not computed.
        instead: Forwards that replace those of other parts.
    """
    args, kwargs = with_first_tensor(resid_pre, *call)
    returned = block.attention_returning(attn_out)
    with forwards_replaced({block.attention: lambda *_args, **_kwargs: returned, **(instead or {})}):
        return forward(*args, **kwargs)


def z_of(
    block: Block,
    forward: Callable[..., Any],
    call: tuple[Any, Any],
    instead: Mapping[nn.Module, Callable[..., Any]] | None = None,
) -> Float[Tensor, "sequence pos z"]:
    """What the block's output projection reads; nothing after it is computed. `instead` is as in `rest_of_block`."""

    def stop(z: Tensor) -> Tensor:
        raise _AttentionDone(z)

    try:
        with forwards_replaced({block.out_proj: stop, **(instead or {})}):
            forward(*call[0], **call[1])
    except _AttentionDone as reached:
        return reached.z
    raise AssertionError(f"{type(block.module).__name__} ran without its attention's output projection")


def z_at_slots(
    block: Block, forward: Callable[..., Any], call: tuple[Any, Any], packing: Packing
) -> Float[Tensor, "sequence slot z"]:
    """The same at slots; keys and values are computed everywhere."""

    def at_slots(linear: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda values: packing.scatter(linear(packing.gather(values)))

    narrow = {linear: at_slots(linear.forward) for linear in block.pointwise}
    return packing.gather(z_of(block, forward, call, narrow))


def narrowed(block: Block, packing: Packing, edit: Edit) -> Callable[..., Any]:
    """A forward for the last block that returns its output at slots, packed."""
    forward = block.module.forward

    def at_slots(*args: Any, **kwargs: Any) -> Any:
        call = (args, kwargs)
        z = z_at_slots(block, forward, call, packing)
        attn_out = packing.pack(block.out_proj.forward(edit(z)))
        resid_pre = packing.pack(packing.gather(resid_pre_of(call)))
        return rest_of_block(block, forward, call, resid_pre=resid_pre, attn_out=attn_out)

    return at_slots


def skipping(block: Block) -> Callable[..., Any]:
    """A forward for a block that returns what it reads."""
    return lambda *args, **kwargs: block.returning(resid_pre_of((args, kwargs)))


def resid_pre_of(call: tuple[Any, Any]) -> Float[Tensor, "sequence pos d_model"]:
    """What a block reads, out of the arguments that the model gave it."""
    resid_pre = first_tensor(*call)
    assert resid_pre is not None
    return resid_pre
