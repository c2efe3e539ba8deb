"""Parts of a model held where a clean run left them: norms keep their scale, linear maps their output."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from headreuse.anatomy import forwards_replaced, hooked
from headreuse.problems import HeadreuseError

N_PROBES = 64
PROBE_SIZE = 100.0
"""Large beside any norm's epsilon."""


def frozen_norm(
    norm: nn.Module, x: Float[Tensor, "row d_model"], y: Float[Tensor, "row d_model"]
) -> Callable[[Float[Tensor, "*fold row d_model"]], Float[Tensor, "*fold row d_model"]]:
    """What a part of each row of `x` becomes in `y = norm(x)`, with the row's scale held.

    The norm is known by what it does to probes: RMSNorm or LayerNorm, with whatever weight and bias; anything else is
    refused.
    """
    shape, scale_type = x.shape[-1], torch.float32
    generator = torch.Generator().manual_seed(0)
    probes = (PROBE_SIZE * torch.randn(N_PROBES, shape, generator=generator)).to(x)
    bias = norm(torch.zeros_like(probes[:1])).to(scale_type)
    made = norm(probes).to(scale_type) - bias
    low_precision = norm(probes).dtype.itemsize < scale_type.itemsize
    for centre in (_as_is, _centred):
        unit = centre(probes.to(scale_type))
        unit = unit / unit.square().mean(-1, keepdim=True).sqrt()
        weight = (made * unit).sum(0) / unit.square().sum(0)
        if (made - weight * unit).abs().max() <= (5e-2 if low_precision else 1e-3) * made.abs().max():
            directions = weight * centre(x.to(scale_type))
            scale = ((y.to(scale_type) - bias) * directions).sum(-1, keepdim=True)
            scale = scale / directions.square().sum(-1, keepdim=True).clamp_min(torch.finfo(scale_type).tiny)
            return lambda part: weight * centre(part.to(scale_type)) * scale
    raise HeadreuseError(
        f"{type(norm).__name__} is neither a RMSNorm nor a LayerNorm; a head's share of it is undefined"
    )


def _as_is(x: Tensor) -> Tensor:
    return x


def _centred(x: Tensor) -> Tensor:
    return x - x.mean(-1, keepdim=True)


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
