"""Settings and costs that measurements at the length of the head scores share."""

from headreuse.measurements.base import Settings
from headreuse.study.config import Study
from headreuse.study.group import Group


def at_score_length(study: Study, group: Group) -> Settings:
    """The length at which heads are scored, and the number of examples.

    Length 0 stands for all prompts of files together, up to the longest length that every task of the group has.
    """
    settings = {"length": study.score_length(group), "n": study.measures.n_score_examples}
    return settings if settings["length"] else settings | {"up_to": min(entry.max_length for entry in group.tasks)}


def pass_cost(n_examples: int, length: int) -> float:
    """Tokens of one pass over examples of a length: prompt, answer and four special tokens."""
    return n_examples * (2.0 * length + 4)
