"""How much of an answer does a head bring back that the corrupted prompt has lost?"""

from dataclasses import replace

import torch

from headreuse.interventions.components import Component
from headreuse.models.anatomy import Decoder
from headreuse.records import Prompts
from headreuse.scores._patching import PatchingScores
from headreuse.scores._registry import score
from headreuse.scores.activation_patching import activation_patching


@score()
def denoising(
    model: Decoder,
    prompts: Prompts,
    *,
    component: Component = "z",
    memory_budget: int | None = None,
    dtype: torch.dtype | None = None,
) -> PatchingScores:
    """Outcome with each head's output taken from the clean run minus that of the corrupted run: what it restores.

    `activation_patching` in its other direction (noising finds heads that are necessary, denoising those that suffice:
    Heimersheim and Nanda 2024, arXiv 2404.15255). `baseline` is the clean run: what there is to restore.

    Args:
        component: See `activation_patching`.
        memory_budget: See `prepare`.
        dtype: See `prepare`.
    """
    scores = activation_patching(
        model, prompts, direction="denoising", component=component, memory_budget=memory_budget, dtype=dtype
    )
    return replace(scores, method="denoising", baseline=scores.clean)
