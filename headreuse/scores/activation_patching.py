"""How much of the difference between a prompt and its corrupted partner goes through a head?"""

from dataclasses import replace

import numpy as np
import torch

from headreuse.interventions.ablate import ablate, baseline_outcomes, single_heads
from headreuse.interventions.components import Component, component_of
from headreuse.interventions.subject import prepare
from headreuse.models.anatomy import Decoder
from headreuse.records import Prompts
from headreuse.scores._ablation import as_head_scores
from headreuse.scores._patching import Direction, PatchingScores, corrupted_inputs
from headreuse.scores._registry import score


@score()
def activation_patching(
    model: Decoder,
    prompts: Prompts,
    *,
    direction: Direction = "noising",
    component: Component = "z",
    memory_budget: int | None = None,
    dtype: torch.dtype | None = None,
) -> PatchingScores:
    """What each head carries from the prompt to the answer: its output is taken from the other of the two runs.

    The corrupted run reads the corrupted partner's input and the clean answer. `baseline` is the run that is patched.
    Causal mediation or interchange intervention (Vig et al. 2020, arXiv 2004.12265; Zhang and Nanda 2024, arXiv
    2309.16042, on noising and denoising).

    Args:
        direction: `noising` patches the clean run from the corrupted one, `denoising` the corrupted from the clean one.
        component: What is patched: a head's output `z`, its queries, keys or values, or its attention pattern.
        memory_budget: See `prepare`.
        dtype: See `prepare`.
    """
    corrupted = replace(prompts, tokens=corrupted_inputs(prompts))
    here, there = (prompts, corrupted) if direction == "noising" else (corrupted, prompts)
    subject = prepare(model, here, memory_budget=memory_budget, dtype=dtype)
    ablated = ablate(subject, single_heads(subject), component_of(subject, there.tokens, component))
    other = baseline_outcomes(subject.with_prompts(there))
    scores = as_head_scores(subject, "activation_patching", ablated)
    clean = scores.baseline if direction == "noising" else other
    lost = scores.effects if direction == "noising" else {name: -gain for name, gain in scores.effects.items()}
    return PatchingScores(
        task=scores.task,
        length=scores.length,
        method=scores.method,
        baseline=scores.baseline,
        effects={name: np.asarray(values) for name, values in lost.items()},
        clean=clean,
        corrupted=other if direction == "noising" else scores.baseline,
    )
