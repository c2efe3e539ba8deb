"""What is lost where a head writes its mean instead of what it read? The published measure."""

from typing import Any

import torch

from headreuse.interventions.sources import mean_at_each_position, pooled_mean
from headreuse.interventions.subject import prepare
from headreuse.records import HeadScores, Prompts
from headreuse.scores._ablation import Position, single_head_scores


def mean_ablation(
    model: Any,
    prompts: Prompts,
    *,
    reference: Prompts | None = None,
    position: Position = "each",
    memory_budget: int | None = None,
    dtype: torch.dtype | None = None,
) -> HeadScores:
    """Baseline minus outcome with each head's `z` replaced by its mean over all prompts.

    Args:
        reference: Take the mean over these held-out prompts instead, as far as there is one.
        position: `each` for a mean at every position, as published, for which prompts must be aligned; `pooled` for one
            mean over all positions.
        memory_budget: See `prepare`.
        dtype: See `prepare`.
    """
    subject = prepare(model, prompts, memory_budget=memory_budget, dtype=dtype)
    held_out = None if reference is None else subject.with_prompts(reference)
    mean = mean_at_each_position if position == "each" else pooled_mean
    return single_head_scores(subject, "mean_ablation", mean(subject, held_out))
