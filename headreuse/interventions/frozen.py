"""Parts of a model held as they were in a clean run: norms keep their scale, linear maps their output."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from headreuse.errors import HeadreuseError
from headreuse.models.anatomy import forwards_replaced, hooked, read_norm


def frozen_norm(
    norm: nn.Module, x: Float[Tensor, "*row d_model"]
) -> Callable[[Float[Tensor, "... d_model"]], Float[Tensor, "... d_model"]]:
    """What a part of each row of `x` becomes in `norm(x)` at the row's scale; for RMSNorm and LayerNorm only."""
    found = read_norm(norm, x)
    if found is None:
        raise HeadreuseError(
            f"{type(norm).__name__} is neither an RMSNorm nor a LayerNorm; a head's share of it is undefined"
        )
    scale = found.scale(x)
    return lambda part: found.direction(part) * scale


@contextmanager
def recorded(modules: set[nn.Module]) -> Iterator[dict[nn.Module, list[tuple[Tensor, Tensor]]]]:
    """Within the block, the first argument and the output of every call of these modules are recorded."""
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
    """Within the block these modules return these outputs, repeated for each fold of the batch."""

    def returning(output: Tensor) -> Callable[..., Tensor]:
        repeated = output.repeat(n_folds, *[1] * (output.ndim - 1))
        return lambda *_args, **_kwargs: repeated

    with forwards_replaced({module: returning(output) for module, output in outputs.items()}):
        yield
