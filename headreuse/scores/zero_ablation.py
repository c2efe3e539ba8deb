"""What is lost where a head writes nothing?"""

import torch

from headreuse.interventions.replacements import replacement_for
from headreuse.interventions.subject import prepare
from headreuse.models.anatomy import Decoder
from headreuse.records import HeadScores, Prompts
from headreuse.scores._ablation import single_head_scores
from headreuse.scores._registry import score


@score()
def zero_ablation(
    model: Decoder, prompts: Prompts, *, memory_budget: int | None = None, dtype: torch.dtype | None = None
) -> HeadScores:
    """Baseline minus outcome with each head's `z` replaced by zeros. For the settings see `prepare`."""
    subject = prepare(model, prompts, memory_budget=memory_budget, dtype=dtype)
    return single_head_scores(subject, "zero_ablation", replacement_for(subject, "zero", "each"))
