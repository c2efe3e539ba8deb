"""A Llama in which some layers attend to chosen chunks and the others to a window.

Its classes are this package's own, so a checkpoint of it opens where `headreuse.models.hsa` has been imported; plain
Transformers refuses it by its `model_type`. No checkpoint brings code.
"""

from typing import Any

from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from headreuse.errors import HeadreuseError
from headreuse.models.hsa._attention import ChunkAttention, WindowAttention


class HsaConfig(LlamaConfig):
    """Llama's settings, with those of chunks."""

    model_type = "headreuse_hsa"
    position: str = "hsa"
    chunk_size: int = 8
    n_chosen: int = 2
    window: int = 16


class HsaForCausalLM(LlamaForCausalLM):
    """The decoder: windows in the lower half of the layers; above, chunks and windows in turn, chunks first.

    So the paper has it, with Mamba in the place of the windows. Prompts are read whole at every step of generation:
    there is no cache.
    """

    config_class = HsaConfig

    def __init__(self, config: HsaConfig) -> None:
        super().__init__(config)
        for index, (layer, has_chunks) in enumerate(
            zip(self.model.layers, chunk_layers(config.num_hidden_layers), strict=True)
        ):
            layer.self_attn = (
                ChunkAttention(config, index, chunk_size=config.chunk_size, n_chosen=config.n_chosen)
                if has_chunks
                else WindowAttention(config, index, window=config.window)
            )
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """As Llama's, without a cache."""
        if past_key_values is not None and past_key_values.get_seq_length():
            raise HeadreuseError(
                "a model with chunks reads whole prompts and keeps no cache; leave past_key_values out"
            )
        if attention_mask is not None and attention_mask.ndim == 2 and not attention_mask[:, 0].all():
            raise HeadreuseError("chunks are counted from the first token; pad at the end of prompts, not before them")
        return super().forward(input_ids=input_ids, attention_mask=attention_mask, use_cache=False, **kwargs)

    def prepare_inputs_for_generation(
        self, input_ids: Any, *_: Any, attention_mask: Any = None, **__: Any
    ) -> dict[str, Any]:
        """Whole prompts, at every step."""
        return {"input_ids": input_ids, "attention_mask": attention_mask}


def chunk_layers(n_layers: int) -> list[bool]:
    """Which layers attend to chunks; of a single one, that one."""
    lower = n_layers // 2
    return [index >= lower and (index - lower) % 2 == 0 for index in range(n_layers)]


AutoConfig.register(HsaConfig.model_type, HsaConfig)
AutoModelForCausalLM.register(HsaConfig, HsaForCausalLM)
