"""What is lost where a head writes its mean instead of what it read? The published measure."""

from typing import Any

import numpy as np
import torch

from headreuse.anatomy import find_anatomy
from headreuse.evaluation import outcomes, require_eval_mode, single_length, slot_logits, slots_of
from headreuse.interventions.full_pass import replacing_z, z_of
from headreuse.recording import layout_of
from headreuse.records import OUTCOMES, HeadScores, Prompts


def mean_ablation(model: Any, prompts: Prompts, *, micro_batch: int = 256) -> HeadScores:
    """Baseline minus outcome with each head's `z` replaced by its mean over all prompts, position by position."""
    length = single_length(prompts)
    layout_of(prompts)
    require_eval_mode(model)
    anatomy = find_anatomy(model)
    n_layers, n_heads = anatomy.n_layers, anatomy.n_heads
    effects = {name: np.zeros((n_layers, n_heads, len(prompts)), np.float32) for name in OUTCOMES}
    baseline = {name: np.zeros(len(prompts), np.float32) for name in OUTCOMES}
    slots = slots_of(prompts, anatomy.device)
    tokens = torch.as_tensor(prompts.tokens, device=anatomy.device).long()
    batches = [slice(start, start + micro_batch) for start in range(0, len(prompts), micro_batch)]
    with torch.inference_mode():
        sums = [[z.sum(0, dtype=torch.float64) for z in z_of(anatomy, tokens[batch])] for batch in batches]
        mean = {layer: torch.stack([part[layer] for part in sums]).sum(0) / len(prompts) for layer in range(n_layers)}
        for batch in batches:
            clean = outcomes(slot_logits(model, tokens[batch], slots[batch].position), slots[batch])
            for name, values in clean.items():
                baseline[name][batch] = values.cpu()
            for layer in range(n_layers):
                for head in range(n_heads):
                    with replacing_z(anatomy, {layer: [head]}, mean):
                        found = outcomes(slot_logits(model, tokens[batch], slots[batch].position), slots[batch])
                    for name, values in found.items():
                        effects[name][layer, head, batch] = (clean[name] - values).cpu()
    return HeadScores(prompts.task, length, "mean_ablation", baseline, effects)
