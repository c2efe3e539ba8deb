"""Which norm a module computes, found out by trying it: RMSNorm or LayerNorm, with any weight, bias and epsilon."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

N_PROBES = 64
LARGE, SMALL = 100.0, 1e-3
"""Sizes of probes: at LARGE epsilon is negligible; at SMALL it dominates."""


@dataclass(frozen=True)
class Norm:
    """`weight * centre(x) * scale(x) + bias`, in single precision; in double for a model in double.

    LayerNorm (Ba et al. 2016, arXiv 1607.06450) or RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467).
    """

    centres: bool
    """Whether the row's mean is subtracted first: LayerNorm."""
    weight: Float[Tensor, "d_model"]
    bias: Float[Tensor, "d_model"]
    epsilon: float

    def direction(self, x: Float[Tensor, "*row d_model"]) -> Float[Tensor, "*row d_model"]:
        """The part that is linear in `x`."""
        x = x.to(self.weight.dtype)
        return self.weight * (x - x.mean(-1, keepdim=True) if self.centres else x)

    def scale(self, x: Float[Tensor, "*row d_model"]) -> Float[Tensor, "*row 1"]:
        """What a row is multiplied by."""
        dtype = self.weight.dtype
        if self.centres:
            return (x.to(dtype).var(-1, correction=0, keepdim=True) + self.epsilon).rsqrt()
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=dtype)
        return (length.square() / x.shape[-1] + self.epsilon).rsqrt()


@torch.no_grad()
def read_norm(norm: nn.Module, like: Float[Tensor, "*row d_model"]) -> Norm | None:
    """The norm that a module computes on tensors of the type and device of `like`; None where it is neither kind.

    Three calls determine it, and no attribute's name is needed:

    - norm(0) is the bias, since a centred or scaled zero is zero;
    - of large rows, norm(x) − bias is weight · x / size(x) with the size an RMS (RMSNorm) or a standard deviation
      (LayerNorm): the weight is fitted to all rows, and the kind is the one whose fit leaves nothing over;
    - of small rows, the scale 1 / √(size² + epsilon) gives epsilon.
    """
    generator = torch.Generator().manual_seed(0)
    dtype = torch.promote_types(like.dtype, torch.float32)
    rows = torch.randn(N_PROBES, like.shape[-1], generator=generator).to(like.device, dtype)
    bias = norm(torch.zeros_like(rows[:1]).to(like)).to(dtype)
    returned = [norm((size * rows).to(like)) for size in (LARGE, SMALL)]
    of_large, of_small = (values.to(dtype) - bias for values in returned)
    tolerance = 5e-2 if returned[0].dtype.itemsize < torch.float32.itemsize else 1e-3
    for centres in (False, True):
        centred = rows - rows.mean(-1, keepdim=True) if centres else rows
        size = centred.square().mean(-1, keepdim=True).sqrt()
        unit = centred / size
        weight = (of_large * unit).sum(0) / unit.square().sum(0)
        if weight.any() and (of_large - weight * unit).abs().max() <= tolerance * of_large.abs().max():
            unscaled = weight * SMALL * centred
            scale = (of_small * unscaled).sum(-1, keepdim=True) / unscaled.square().sum(-1, keepdim=True)
            epsilon = (1 / scale.double().square() - (SMALL * size).square()).mean()
            return Norm(centres, weight, bias[0], max(0.0, float(epsilon)))
    return None
