"""Where does each head look? Attention patterns, batch by batch: memory does not grow with prompts."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
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

    def add(layer: int, pattern: Tensor, _rows: slice) -> None:
        if layer not in sums:
            sums[layer] = torch.zeros(pattern.shape[1:], dtype=torch.float64, device=pattern.device)
        sums[layer] += pattern.sum(dim=0)

    _stream_patterns(model, prompts, add, micro_batch)
    pattern = np.stack([sums[layer].cpu().numpy() for layer in sorted(sums)]) / len(prompts)
    return MeanPattern(prompts.task, length, len(prompts), layout, pattern.astype(np.float32))


def attention_to(
    model: Decoder, prompts: Prompts, targets: Bool[np.ndarray, "prompt query key"], *, micro_batch: int = 32
) -> Float[np.ndarray, "layer head prompt"]:
    """Every head's attention from queries to their targets, summed over these and averaged over queries that have any.

    Every prompt needs a query with a target. Prompts need not line up; padding must come last.
    """
    n_queries = targets.any(axis=2).sum(axis=1)
    assert n_queries.all(), "a prompt without targets"
    require_eval_mode(model)
    shares: dict[int, list[Tensor]] = {}

    def add(layer: int, pattern: Tensor, rows: slice) -> None:
        wanted, n = (torch.as_tensor(array[rows], device=pattern.device) for array in (targets, n_queries))
        found = (pattern * wanted[:, None]).sum(dim=(2, 3), dtype=torch.float64) / n[:, None]
        shares.setdefault(layer, []).append(found.cpu())

    _stream_patterns(model, prompts, add, micro_batch)
    return np.stack([torch.cat(shares[layer]).numpy().T for layer in sorted(shares)]).astype(np.float32)


OnPattern = Callable[[int, Tensor, slice], None]
"""Called with a layer, its pattern `prompt head query key` and which prompts these are."""


def _stream_patterns(model: Decoder, prompts: Prompts, on_pattern: OnPattern, micro_batch: int) -> None:
    """Run the model on all prompts, some at a time."""
    for start in range(0, len(prompts), micro_batch):
        rows = slice(start, start + micro_batch)
        tokens = torch.as_tensor(prompts.tokens[rows]).long().to(device_of(model))
        with torch.inference_mode(), _watching_patterns(model, partial(_of_rows, on_pattern, rows)):
            unwrapped(model)(input_ids=tokens, use_cache=False)


def _of_rows(on_pattern: OnPattern, rows: slice, layer: int, pattern: Tensor) -> None:
    on_pattern(layer, pattern, rows)


@contextmanager
def _watching_patterns(model: Decoder, on_pattern: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Within the block, every forward pass hands on the pattern of each layer."""
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
                pattern = output[1] if isinstance(output, tuple) else output
                if not isinstance(pattern, Tensor):
                    raise HeadreuseError(
                        f"{type(model).__name__} gives no attention patterns; load it with attn_implementation='eager'"
                    )
                on_pattern(layer, pattern)

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
