"""What ablations of single heads share."""

from typing import Literal

from headreuse.interventions.ablate import Ablated, ablate, single_heads
from headreuse.interventions.sources import Source
from headreuse.interventions.subject import Subject
from headreuse.records import HeadScores

Position = Literal["each", "pooled"]
"""Whether a head's replacement is taken position by position or over all positions together."""


def single_head_scores(subject: Subject, method: str, source: Source) -> HeadScores:
    """Every head alone, replaced as `source` says."""
    return as_head_scores(subject, method, ablate(subject, single_heads(subject), source))


def as_head_scores(subject: Subject, method: str, ablated: Ablated) -> HeadScores:
    """The record of outcomes under every single head's ablation."""
    shape = (subject.anatomy.n_layers, subject.anatomy.n_heads, len(subject.prompts))
    effects = {name: values.reshape(shape) for name, values in ablated.effects.items()}
    return HeadScores(subject.prompts.task, longest(subject), method, ablated.baseline, effects)


def longest(subject: Subject) -> int:
    """The prompts' length; the longest where they differ."""
    return int(subject.prompts.lengths.max())
