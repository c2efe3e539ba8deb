"""What is lost where a head writes its mean over many prompts? The published measure."""

import torch

from headreuse.interventions.replacements import replacement_for
from headreuse.interventions.subject import prepare
from headreuse.models.anatomy import Decoder
from headreuse.records import HeadScores, Position, Prompts
from headreuse.scores._ablation import single_head_scores
from headreuse.scores._registry import score


@score(has_position=True)
def mean_ablation(
    model: Decoder,
    prompts: Prompts,
    *,
    reference: Prompts | None = None,
    position: Position = "each",
    memory_budget: int | None = None,
    dtype: torch.dtype | None = None,
) -> HeadScores:
    """Baseline minus outcome with each head's `z` replaced by its mean over all prompts.

    The published measure (Cai et al. 2025, arXiv 2506.09251, on attention-head reuse).

    Args:
        reference: Take the mean over these held-out prompts instead.
        position: `each` for a mean at every position, as published, for which prompts must be aligned; `role` for one
            at every token of a named span; `pooled` for one mean over all positions.
        memory_budget: See `prepare`.
        dtype: See `prepare`.
    """
    subject = prepare(model, prompts, memory_budget=memory_budget, dtype=dtype)
    mean = replacement_for(subject, "mean", position, reference=reference)
    return single_head_scores(subject, "mean_ablation", mean)
