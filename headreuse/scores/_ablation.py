"""What the ablations of single heads have in common."""

from headreuse.interventions.ablate import Ablated, ablate, single_heads
from headreuse.interventions.replacements import Replacement
from headreuse.interventions.subject import Subject
from headreuse.records import HeadScores


def single_head_scores(subject: Subject, method: str, replacement: Replacement) -> HeadScores:
    """Scores of every head ablated alone, writing its replacement."""
    return as_head_scores(subject, method, ablate(subject, single_heads(subject), replacement))


def as_head_scores(subject: Subject, method: str, ablated: Ablated) -> HeadScores:
    """Outcomes under every single head's ablation as head scores."""
    shape = (subject.anatomy.n_layers, subject.anatomy.n_heads, len(subject.prompts))
    effects = {name: values.reshape(shape) for name, values in ablated.effects.items()}
    return HeadScores(subject.prompts.task, longest(subject), method, ablated.baseline, effects)


def longest(subject: Subject) -> int:
    """The prompts' length; the largest one if they differ."""
    return int(subject.prompts.lengths.max())
