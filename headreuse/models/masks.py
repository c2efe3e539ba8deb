"""Head masks: a model in which only some query heads of each layer write.

While a model is measured, the other heads' slices of the output projection are 0: so it is an ordinary model for every
score, for the replay and for TransformerLens. While it is trained, `z` is masked instead: what a masked head would
write is 0, and so are all gradients through it. Weight decay and the optimiser's momentum still move its weights.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from headreuse.errors import HeadreuseError
from headreuse.models.anatomy import Anatomy, Decoder, anatomy_of, is_linear, weight_of


@contextmanager
def masked(model: Decoder, heads: Collection[int] | None) -> Iterator[None]:
    """Within the block only the query heads with these indices write, in every layer; None: all of them do.

    Afterwards the weights are what they were, bit for bit, also after an exception. A head that is no head of the model
    is refused, and so is an output projection with an adapter, which has to be merged first.
    """
    if heads is None:
        yield
        return
    anatomy = anatomy_of(model)
    silent = ~_channels(anatomy, heads)
    weights = [_output_weight(block.out_proj) for block in anatomy.blocks]
    before = [weight[silent].clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight in weights:
                weight[silent] = 0
        yield
    finally:
        with torch.no_grad():
            for weight, kept in zip(weights, before, strict=True):
                weight[silent] = kept


class TrainingMask:
    """Hooks that let only some heads of a model write while it is trained; at first all of them do.

    They hold one tensor that changes in place, so that a compiled model need not be compiled again.
    """

    def __init__(self, model: Decoder) -> None:
        self._anatomy = anatomy_of(model)
        self._mask = torch.ones(self._anatomy.n_heads * self._anatomy.d_head)
        for block in self._anatomy.blocks:
            block.out_proj.register_forward_pre_hook(self._masked)

    def open_for(self, heads: Collection[int] | None) -> None:
        """From now on only these heads write, in every layer; None: all of them."""
        self._mask = self._mask.to(self._anatomy.device)
        if heads is None:
            self._mask.fill_(1)
        else:
            self._mask.copy_(_channels(self._anatomy, heads))

    @contextmanager
    def only(self, heads: Collection[int] | None) -> Iterator[None]:
        """Within the block only these heads write; afterwards those that did before."""
        before = self._mask.clone()
        self.open_for(heads)
        try:
            yield
        finally:
            self._mask.copy_(before)

    def _masked(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        z, *rest = inputs
        return (z * self._mask.to(z), *rest)


def _channels(anatomy: Anatomy, heads: Collection[int]) -> Tensor:
    """Which channels of `z` belong to these heads."""
    if wrong := sorted(index for index in heads if not 0 <= index < anatomy.n_heads):
        raise HeadreuseError(f"there is no head {wrong[0]}: a layer of the model has {anatomy.n_heads} heads")
    of_head = torch.zeros(anatomy.n_heads, dtype=torch.bool)
    of_head[list(heads)] = True
    return of_head.repeat_interleave(anatomy.d_head)


def _output_weight(out_proj: nn.Module) -> Float[Tensor, "z d_model"]:
    """A view of the weight of an output projection, input dimension first."""
    if not is_linear(out_proj):
        raise HeadreuseError(
            f"{type(out_proj).__name__}: an output projection with an adapter cannot be masked; merge the adapter first"
        )
    return weight_of(out_proj)
