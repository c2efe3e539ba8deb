"""What is taken for a decoder, and a decoder with its heads found, as records."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from headreuse.errors import HeadreuseError

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge
    from typing_extensions import TypeIs

    Decoder: TypeAlias = PreTrainedModel | TransformerBridge
else:
    # Importing transformer_lens takes seconds, and none of its names is needed while running.
    Decoder = nn.Module
"""A decoder-only transformer: a Hugging Face model or a TransformerLens bridge."""

LinearMap: TypeAlias = nn.Linear | Conv1D


class UnrecognisedModelError(HeadreuseError):
    """A model whose heads could not be found; nothing is guessed."""


@dataclass(frozen=True)
class FeedForward:
    """The way into a feed-forward that reads `resid_mid`, the block's input plus its attention's output, by a norm."""

    norm: nn.Module
    readers: tuple[nn.Module, ...]
    """The linear maps that read the norm's output, with their adapters; nothing else does."""


@dataclass(frozen=True)
class Block:
    """One decoder block and the parts of it that matter to heads."""

    module: nn.Module
    attention: nn.Module
    """The smallest part in which one position reads another."""
    out_proj: nn.Module
    """Reads `z`, the heads side by side: a linear map, with its adapter where it has one.

    In BERT's family it lies outside `attention`.
    """
    pointwise: tuple[nn.Module, ...]
    """Linear maps in the attention, with their adapters, that serve only their own position.

    These are the queries', unless keys share their map.
    """
    feed_forward: FeedForward | None
    """None where the block is built in another way: in parallel, with a norm after the attention, of experts."""
    n_returned: int | None
    """How many things the block returns as a tuple; None where it returns the residual stream alone."""
    n_attention_returned: int | None
    """The same for the attention."""

    @property
    def W_O(self) -> Float[Tensor, "z d_model"]:
        """The output projection's weight, input dimension first; an adapter's share is in it."""
        return weight_of(self.out_proj)

    def returning(self, resid_post: Tensor) -> Any:
        """`resid_post` in the form in which the block returns it."""
        return _as_returned(resid_post, self.n_returned)

    def attention_returning(self, attn_out: Tensor) -> Any:
        """`attn_out` in the form in which the attention returns it."""
        return _as_returned(attn_out, self.n_attention_returned)


@dataclass(frozen=True)
class Anatomy:
    """A decoder-only transformer with its heads found."""

    model: PreTrainedModel
    """The Hugging Face model; of a bridge, the model that it wraps."""
    blocks: tuple[Block, ...]
    n_heads: int
    d_head: int
    """Width of one head's slice of `z`."""
    d_model: int

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    def without_feed_forwards(self) -> "Anatomy":
        """The same anatomy as if no feed-forward had been recognised."""
        return replace(self, blocks=tuple(replace(block, feed_forward=None) for block in self.blocks))

    @cached_property
    def d_widest(self) -> int:
        """Width of the widest activation in a block."""
        parts = [part for block in self.blocks for part in block.module.modules()]
        return max(max(part.weight.shape) for part in parts if isinstance(part, (nn.Linear, Conv1D)))

    @property
    def device(self) -> torch.device:
        """Where the token ids go."""
        return device_of(self.model)


def _as_returned(value: Tensor, n_returned: int | None) -> Any:
    return value if n_returned is None else (value, *[None] * (n_returned - 1))


def unwrapped(model: Decoder) -> PreTrainedModel:
    """The Hugging Face model inside a TransformerLens bridge, a compiled module or a PEFT model, or a model itself."""
    for wrapper in ("original_model", "_orig_mod"):
        inner = getattr(model, wrapper, None)
        if isinstance(inner, nn.Module):
            return unwrapped(cast(Decoder, inner))
    if hasattr(model, "get_base_model"):
        return unwrapped(_adapted(model))
    if not hasattr(model, "config"):
        raise UnrecognisedModelError(
            f"{type(model).__name__} has no config with num_attention_heads and num_hidden_layers; "
            "give a Hugging Face decoder, a PEFT model of one or a TransformerLens bridge"
        )
    return cast(PreTrainedModel, model)


def _adapted(model: Any) -> Decoder:
    """The decoder that a PEFT model has put its adapters into."""
    if any(getattr(config, "is_prompt_learning", False) for config in model.peft_config.values()):
        raise UnrecognisedModelError(
            f"{type(model).__name__} puts learned tokens before every prompt, which the decoder alone does not see; "
            "give a model whose adapters lie in its layers, for example LoRA"
        )
    decoder: Decoder = model.get_base_model()
    return decoder


def is_bridge(model: Decoder) -> "TypeIs[TransformerBridge]":
    """Whether a model is a TransformerLens bridge, and so has hook points by name."""
    return hasattr(model, "hook_dict")


def device_of(model: Decoder) -> torch.device:
    """Where token ids go: the input embedding's device, also when the model is spread over several."""
    return next(unwrapped(model).get_input_embeddings().parameters()).device


def first_nan_weight(network: PreTrainedModel) -> str | None:
    """The name of the first weight that holds NaN; None where no weight does."""
    return next((name for name, weight in network.named_parameters() if weight.isnan().any()), None)


def is_linear(module: nn.Module) -> TypeGuard[LinearMap]:
    """Whether a module is a plain linear map."""
    return isinstance(module, (nn.Linear, Conv1D))


def weight_of(linear: nn.Module) -> Float[Tensor, "d_in d_out"]:
    """A linear map's weight, input dimension first; that of a map with an adapter is read off what both do."""
    if is_linear(linear):
        return linear.weight if isinstance(linear, Conv1D) else linear.weight.T
    first = weight_of(next(part for part in linear.modules() if is_linear(part)))
    rows = torch.eye(len(first), dtype=first.dtype, device=first.device)
    with torch.no_grad():
        return linear(rows) - linear(torch.zeros_like(rows[:1]))
