"""The last block, worked out only where answers are predicted: nothing else of it reaches a logit that counts."""

from collections.abc import Callable, Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from headreuse.interventions.batch import Edit, Packing
from headreuse.models.anatomy import Block, first_tensor, forwards_replaced, with_first_tensor


class _Attended(Exception):  # noqa: N818
    """Ends a block's forward where its attention is done."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


def rest_of_block(
    block: Block,
    forward: Callable[..., Any],
    call: tuple[Any, Any],
    *,
    stream: Tensor,
    attended: Tensor,
    instead: Mapping[nn.Module, Callable[..., Any]] | None = None,
) -> Any:
    """What the block returns where it reads `stream` and its attention says `attended`.

    `forward` is the block's own forward, and `call` the arguments that the model gave it; `instead` replaces
    forwards of other parts.
    """
    args, kwargs = with_first_tensor(stream, *call)
    said = block.attention_returning(attended)
    with forwards_replaced({block.attention: lambda *_args, **_kwargs: said, **(instead or {})}):
        return forward(*args, **kwargs)


def attended_at_slots(
    block: Block, forward: Callable[..., Any], call: tuple[Any, Any], packing: Packing, edit: Edit
) -> Float[Tensor, "sequence slot d_model"]:
    """What the block's attention says at slots, with `z` there as `edit` makes it; keys and values are everywhere."""
    project = block.out_proj.forward

    def project_at_slots(z: Tensor) -> Tensor:
        raise _Attended(project(edit(packing.gather(z))))

    def at_slots(linear: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda stream: packing.scatter(linear(packing.gather(stream)))

    narrowed: Mapping[nn.Module, Callable[..., Any]] = {
        block.out_proj: project_at_slots,
        **{linear: at_slots(linear.forward) for linear in block.pointwise},
    }
    try:
        with forwards_replaced(narrowed):
            forward(*call[0], **call[1])
    except _Attended as reached:
        return reached.output
    raise AssertionError(f"{type(block.module).__name__} ran without its attention's output projection")


def narrowed(block: Block, packing: Packing, edit: Edit) -> Callable[..., Any]:
    """A forward for the last block that returns its output at slots, packed."""
    forward = block.module.forward

    def at_slots(*args: Any, **kwargs: Any) -> Any:
        call = (args, kwargs)
        attended = packing.pack(attended_at_slots(block, forward, call, packing, edit))
        stream = packing.pack(packing.gather(stream_of(call)))
        return rest_of_block(block, forward, call, stream=stream, attended=attended)

    return at_slots


def stream_of(call: tuple[Any, Any]) -> Tensor:
    """The stream that the model handed to a block."""
    stream = first_tensor(*call)
    assert stream is not None
    return stream
