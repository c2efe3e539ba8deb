"""What a norm does, read off what it makes of probes: RMSNorm or LayerNorm, with whatever weight, bias and epsilon."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

N_PROBES = 64
LARGE, SMALL = 100.0, 1e-3
"""Sizes of probes: beside the first no epsilon counts, beside the second every usual one does."""


@dataclass(frozen=True)
class Norm:
    """`weight * centre(x) * scale(x) + bias`, worked out in single precision, of a double model in double."""

    centres: bool
    """Whether the row's mean is taken off first: LayerNorm."""
    weight: Float[Tensor, "d_model"]
    bias: Float[Tensor, "d_model"]
    epsilon: float

    def direction(self, x: Float[Tensor, "*row d_model"]) -> Float[Tensor, "*row d_model"]:
        """The part that is linear in `x`."""
        x = x.to(self.weight.dtype)
        return self.weight * (x - x.mean(-1, keepdim=True) if self.centres else x)

    def scale(self, x: Float[Tensor, "*row d_model"]) -> Float[Tensor, "*row 1"]:
        """What a row is multiplied with."""
        dtype = self.weight.dtype
        if self.centres:
            return (x.to(dtype).var(-1, correction=0, keepdim=True) + self.epsilon).rsqrt()
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=dtype)
        return (length.square() / x.shape[-1] + self.epsilon).rsqrt()


@torch.no_grad()
def read_norm(norm: nn.Module, like: Float[Tensor, "... d_model"]) -> Norm | None:
    """The norm that a module works out on tensors of the kind of `like`; None where it is neither of the two."""
    generator = torch.Generator().manual_seed(0)
    dtype = torch.promote_types(like.dtype, torch.float32)
    rows = torch.randn(N_PROBES, like.shape[-1], generator=generator).to(like.device, dtype)
    bias = norm(torch.zeros_like(rows[:1]).to(like)).to(dtype)
    returned = [norm((size * rows).to(like)) for size in (LARGE, SMALL)]
    made, made_small = (values.to(dtype) - bias for values in returned)
    tolerance = 5e-2 if returned[0].dtype.itemsize < torch.float32.itemsize else 1e-3
    for centres in (False, True):
        centred = rows - rows.mean(-1, keepdim=True) if centres else rows
        size = centred.square().mean(-1, keepdim=True).sqrt()
        unit = centred / size
        weight = (made * unit).sum(0) / unit.square().sum(0)
        if weight.any() and (made - weight * unit).abs().max() <= tolerance * made.abs().max():
            expected = weight * SMALL * centred
            scale = (made_small * expected).sum(-1, keepdim=True) / expected.square().sum(-1, keepdim=True)
            epsilon = (1 / scale.double().square() - (SMALL * size).square()).mean()
            return Norm(centres, weight, bias[0], max(0.0, float(epsilon)))
    return None
