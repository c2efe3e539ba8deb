"""What is lost where a head writes what it wrote on another prompt?"""

import torch

from headreuse.interventions.replacements import replacement_for
from headreuse.interventions.subject import prepare
from headreuse.models.anatomy import Decoder
from headreuse.records import HeadScores, Position, Prompts
from headreuse.scores._ablation import single_head_scores
from headreuse.scores._registry import score


@score(has_position=True)
def resample_ablation(
    model: Decoder,
    prompts: Prompts,
    *,
    seed: int = 0,
    reference: Prompts | None = None,
    position: Position = "each",
    memory_budget: int | None = None,
    dtype: torch.dtype | None = None,
) -> HeadScores:
    """Baseline minus outcome with each head's `z` taken from a partner, a prompt drawn at random for each prompt.

    All heads of a prompt have the same partner.

    Args:
        seed: Settles who is whose partner; no prompt is its own.
        reference: Draw partners from these prompts instead.
        position: `each` for the partner's `z` at the same position, for which prompts must be aligned; `role` for its
            `z` at a position of the same named span; `pooled` for its `z` at a position drawn at random.
        memory_budget: See `prepare`.
        dtype: See `prepare`.
    """
    subject = prepare(model, prompts, memory_budget=memory_budget, dtype=dtype)
    partner = replacement_for(subject, "resample", position, seed=seed, reference=reference)
    return single_head_scores(subject, "resample_ablation", partner)
