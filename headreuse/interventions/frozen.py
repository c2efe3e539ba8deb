"""Parts of a model held where a clean run left them: norms keep their scale, linear maps their output."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from headreuse.errors import HeadreuseError
from headreuse.models.anatomy import forwards_replaced, hooked, read_norm


def frozen_norm(
    norm: nn.Module, x: Float[Tensor, "row d_model"]
) -> Callable[[Float[Tensor, "*fold row d_model"]], Float[Tensor, "*fold row d_model"]]:
    """What a part of each row of `x` becomes in `norm(x)`, with the row's scale held; only of RMSNorm or LayerNorm."""
    law = read_norm(norm, x)
    if law is None:
        raise HeadreuseError(
            f"{type(norm).__name__} is neither a RMSNorm nor a LayerNorm; a head's share of it is undefined"
        )
    scale = law.scale(x)
    return lambda part: law.direction(part) * scale


@contextmanager
def recorded(modules: set[nn.Module]) -> Iterator[dict[nn.Module, list[tuple[Tensor, Tensor]]]]:
    """Within the block, first argument and output of every call of these modules are written down."""
    calls: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {}

    def record(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        first = args[0] if args else next(iter(kwargs.values()), None)
        if isinstance(first, Tensor) and isinstance(output, Tensor):
            # Some blocks add to a part's output in place, after the part has returned it.
            calls.setdefault(module, []).append((first, output.clone()))

    with ExitStack() as stack:
        for module in modules:
            stack.enter_context(hooked(module.register_forward_hook(record, with_kwargs=True)))
        yield calls


@contextmanager
def held(outputs: Mapping[nn.Module, Tensor], n_folds: int) -> Iterator[None]:
    """Within the block these modules return their recorded outputs, once for each fold of the batch."""

    def returning(output: Tensor) -> Callable[..., Tensor]:
        repeated = output.repeat(n_folds, *[1] * (output.ndim - 1))
        return lambda *_args, **_kwargs: repeated

    with forwards_replaced({module: returning(output) for module, output in outputs.items()}):
        yield
