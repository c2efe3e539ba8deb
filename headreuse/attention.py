"""Where does each head look? Mean attention patterns, summed batch by batch: memory does not grow with prompts."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from headreuse.errors import HeadreuseError
from headreuse.evaluation import require_eval_mode, single_length
from headreuse.models.anatomy import Decoder, anatomy_of, device_of, hooked, is_bridge, unwrapped
from headreuse.records import MeanPattern, Prompts


def mean_pattern(model: Decoder, prompts: Prompts, *, micro_batch: int = 32) -> MeanPattern:
    """Every head's attention pattern, averaged over prompts of one layout.

    A TransformerLens bridge gives its patterns at `hook_pattern`. A Hugging Face model gives them under eager
    attention, to which it is switched while they are recorded.
    """
    length = single_length(prompts)
    layout = prompts.layout
    require_eval_mode(model)
    sums: dict[int, Tensor] = {}
    with torch.inference_mode(), _summing_patterns(model, sums):
        for start in range(0, len(prompts), micro_batch):
            tokens = torch.as_tensor(prompts.tokens[start : start + micro_batch]).long().to(device_of(model))
            unwrapped(model)(input_ids=tokens, use_cache=False)
    pattern = np.stack([sums[layer].cpu().numpy() for layer in sorted(sums)]) / len(prompts)
    return MeanPattern(prompts.task, length, len(prompts), layout, pattern.astype(np.float32))


@contextmanager
def _summing_patterns(model: Decoder, sums: dict[int, Tensor]) -> Iterator[None]:
    """Within the block, every forward pass adds its patterns to `sums`, by layer: `head query key`."""

    def add(layer: int, pattern: Any) -> None:
        if not isinstance(pattern, Tensor):
            raise HeadreuseError(
                f"{type(model).__name__} gives no attention patterns; load it with attn_implementation='eager'"
            )
        if layer not in sums:
            sums[layer] = torch.zeros(pattern.shape[1:], dtype=torch.float64, device=pattern.device)
        sums[layer] += pattern.sum(dim=0)

    with ExitStack() as stack:
        if is_bridge(model):
            hooks: list[nn.Module] = [
                model.hook_dict[f"blocks.{layer}.attn.hook_pattern"] for layer in range(model.cfg.n_layers)
            ]
        else:
            hooks = [block.attention for block in anatomy_of(model).blocks]
            stack.enter_context(eager_attention(model))
        for layer, module in enumerate(hooks):

            def record(_module: object, _args: object, output: Any, layer: int = layer) -> None:
                add(layer, output[1] if isinstance(output, tuple) else output)

            stack.enter_context(hooked(module.register_forward_hook(record)))
        yield


@contextmanager
def eager_attention(model: PreTrainedModel) -> Iterator[None]:
    """Within the block a Hugging Face model uses eager attention, which returns patterns; afterwards its former one."""
    before = model.config._attn_implementation
    if before == "eager":
        yield
        return
    try:
        model.set_attn_implementation("eager")
        yield
    finally:
        model.set_attn_implementation(before)
