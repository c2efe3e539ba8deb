"""What is lost where a head writes nothing?"""

from typing import Any

import torch

from headreuse.interventions.sources import zeros
from headreuse.interventions.subject import prepare
from headreuse.records import HeadScores, Prompts
from headreuse.scores._ablation import single_head_scores


def zero_ablation(
    model: Any, prompts: Prompts, *, memory_budget: int | None = None, dtype: torch.dtype | None = None
) -> HeadScores:
    """Baseline minus outcome with each head's `z` replaced by zeros. For the settings see `prepare`."""
    subject = prepare(model, prompts, memory_budget=memory_budget, dtype=dtype)
    return single_head_scores(subject, "zero_ablation", zeros(subject))
