"""What is lost where a head writes what it wrote on another prompt?"""

from typing import Any

import torch

from headreuse.interventions.sources import partner_at_any_position, partner_at_each_position
from headreuse.interventions.subject import prepare
from headreuse.records import HeadScores, Prompts
from headreuse.scores._ablation import Position, single_head_scores


def resample_ablation(
    model: Any,
    prompts: Prompts,
    *,
    seed: int = 0,
    reference: Prompts | None = None,
    position: Position = "each",
    memory_budget: int | None = None,
    dtype: torch.dtype | None = None,
) -> HeadScores:
    """Baseline minus outcome with each head's `z` taken from a randomly drawn partner, the same one for every head.

    Args:
        seed: Settles who is whose partner; nobody is their own.
        reference: Draw partners from these prompts instead.
        position: `each` for the partner's `z` at the same position, for which prompts must be aligned; `pooled` for its
            `z` at a position drawn at random.
        memory_budget: See `prepare`.
        dtype: See `prepare`.
    """
    subject = prepare(model, prompts, memory_budget=memory_budget, dtype=dtype)
    held_out = None if reference is None else subject.with_prompts(reference)
    partner = partner_at_each_position if position == "each" else partner_at_any_position
    return single_head_scores(subject, "resample_ablation", partner(subject, seed, held_out))
