"""A Llama without rotation, for schemes that add: to attention scores, or to what tokens are embedded as.

Its classes are this package's own, so a checkpoint of it opens where `headreuse.models.positions` has been imported;
plain Transformers refuses it by its `model_type`. No checkpoint brings code.
"""

from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    DynamicCache,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)
from transformers.models.llama.modeling_llama import LlamaAttention

from headreuse.errors import HeadreuseError
from headreuse.models.positions._registry import POSITIONS, Scheme
from headreuse.models.positions._table import Table


class PositionedConfig(LlamaConfig):
    """Llama's settings, with the scheme's name and what it declares."""

    model_type = "headreuse_positioned"
    position: str = "alibi"
    coupling: list[Any] | None = None
    """Of `coupled`, for each task: its marker, its separators, whether its answer is mirrored."""


class Bias(nn.Module):
    """What a scheme adds to the attention scores of one layer."""

    def draw(self) -> None:
        """Draw the weights of a new model, where there are any that want another size than Transformers gives them."""

    @abstractmethod
    def forward(self, queries: Int[Tensor, "query"], keys: Int[Tensor, "key"]) -> Float[Tensor, "head query key"]:
        """The bias at these positions; where a key comes after its query, any finite number."""


class Added(Scheme):
    """A scheme of this decoder."""

    @classmethod
    def build(cls, shape: dict[str, Any]) -> PreTrainedModel:
        """A model that has the weights of its rotary twin in all that both have."""
        twin = LlamaForCausalLM(LlamaConfig(**{name: shape[name] for name in shape if name != "coupling"}))
        model = PositionedForCausalLM(PositionedConfig(**shape, position=cls.name))
        model.load_state_dict(twin.state_dict(), strict=False)
        for part in model.modules():
            if isinstance(part, Bias | Table):
                part.draw()
        return model

    @classmethod
    def bias(cls, config: PositionedConfig) -> Bias | None:
        """What is added to the scores of one layer."""
        return None

    @classmethod
    def table(cls, config: PositionedConfig) -> Table | None:
        """What is added to embeddings."""
        return None


class Unrotated(nn.Module):
    """In the place of Llama's rotation: an angle of 0 everywhere."""

    def __init__(self, d_head: int) -> None:
        super().__init__()
        self.d_head = d_head

    def forward(self, hidden: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines."""
        cosines = hidden.new_ones(1, hidden.shape[1], self.d_head)
        return cosines, torch.zeros_like(cosines)


class BiasedAttention(LlamaAttention):
    """Llama's attention with a bias on its scores."""

    def __init__(self, config: PositionedConfig, layer_idx: int, bias: Bias) -> None:
        super().__init__(config, layer_idx)
        self.bias = bias

    def forward(
        self,
        hidden_states: Tensor,
        position_embeddings: Any = None,
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor]:
        """As Llama's; the bias goes with the mask."""
        n_before = 0 if past_key_values is None else past_key_values.get_seq_length(self.layer_idx)
        keys = torch.arange(n_before + hidden_states.shape[1], device=hidden_states.device)
        queries = keys[n_before:]
        bias = self.bias(queries, keys).to(hidden_states.dtype)
        mask = keys <= queries[:, None] if attention_mask is None else attention_mask
        biased = torch.where(mask, bias, torch.finfo(bias.dtype).min) if mask.dtype == torch.bool else mask + bias
        biased = biased if biased.ndim == 4 else biased[None]
        return super().forward(hidden_states, position_embeddings, biased, past_key_values, **kwargs)


class PositionedForCausalLM(LlamaForCausalLM):
    """The decoder. Position ids are worked out from tokens, so those that a caller gives change nothing."""

    config_class = PositionedConfig

    def __init__(self, config: PositionedConfig) -> None:
        super().__init__(config)
        scheme = POSITIONS[config.position]
        if not issubclass(scheme, Added):
            raise HeadreuseError(f"position {config.position!r} is of another decoder than {type(self).__name__}")
        self.model.rotary_emb = Unrotated(config.hidden_size // config.num_attention_heads)
        for index, layer in enumerate(self.model.layers):
            if (bias := scheme.bias(config)) is not None:
                layer.self_attn = BiasedAttention(config, index, bias)
        self.model.position_table = scheme.table(config)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        drawn_starts: Tensor | None = None,
        tokens_so_far: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """As Llama's.

        Args:
            drawn_starts: Given in training alone, by its batches: see `Table`.
            tokens_so_far: Whole prompts, where `input_ids` are their last tokens; otherwise the cache knows them.
        """
        given: dict[str, Any] = {"input_ids": input_ids, "inputs_embeds": inputs_embeds}
        if self.model.position_table is not None:
            if input_ids is None:
                raise HeadreuseError(f"{self.config.position}: positions follow from tokens; give input_ids")
            if past_key_values is None and (self.config.use_cache if use_cache is None else use_cache):
                past_key_values = DynamicCache(config=self.config)
            tokens = _remembered(past_key_values, input_ids) if tokens_so_far is None else tokens_so_far
            rows = self.model.position_table(tokens, drawn_starts)[:, -input_ids.shape[1] :]
            given = {"inputs_embeds": self.model.embed_tokens(input_ids) + rows}
        return super().forward(
            **given,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            **kwargs,
        )

    def prepare_inputs_for_generation(self, input_ids: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Whole prompts go with their last tokens: beams change places, which the cache's memory would not see."""
        llama: Any = super()
        prepared: dict[str, Any] = llama.prepare_inputs_for_generation(input_ids, *args, **kwargs)
        return prepared | {"tokens_so_far": input_ids}


def _remembered(cache: Any, input_ids: Int[Tensor, "prompt pos"]) -> Int[Tensor, "prompt so_far"]:
    """All tokens up to these; the cache is given them to keep."""
    if cache is None:
        return input_ids
    before = getattr(cache, "tokens_read", input_ids[:, :0])
    cache.tokens_read = torch.cat([before, input_ids], dim=1)
    return cache.tokens_read


AutoConfig.register(PositionedConfig.model_type, PositionedConfig)
AutoModelForCausalLM.register(PositionedConfig, PositionedForCausalLM)
