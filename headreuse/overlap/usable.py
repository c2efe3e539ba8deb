"""Can two maps be compared at all? The reasons why not, in words."""

import numpy as np
from jaxtyping import Bool
from scipy import stats

from headreuse.records import HeadScores
from headreuse.study.group import Group

SATURATED = 0.95
"""A head whose ablation takes this fraction of the baseline accuracy counts as taking all of it."""
BOUNDED = ("exact_match", "token_accuracy")
"""Outcomes that cannot fall below 0, so that an effect cannot exceed the baseline."""


def why_unusable(scores: HeadScores, outcome: str, *, baseline_floor: float) -> str:
    """Why one task's map cannot say which heads it uses, in words; empty where it can.

    - floor: the task is not solved, so there is nothing to lose (judged by exact match for every outcome);
    - ceiling: ablating most heads takes all accuracy, so heads cannot be told apart;
    - no head has an effect beyond sampling noise.
    """
    if reason := below_floor(scores, baseline_floor):
        return reason
    scores = scores if scores.heads is None else scores.among(scores.heads)
    if np.isnan(scores.effects[outcome]).any():
        return f"{scores.task} has effects that are not a number"
    if outcome in BOUNDED:
        taken = scores.effect(outcome) >= SATURATED * scores.baseline[outcome].mean()
        if taken.mean() > 0.5:
            return f"ceiling: {taken.sum()} of {taken.size} heads take all of {scores.task}'s {outcome}"
    if not heads_with_effect(scores, outcome).any():
        return f"too few heads with an effect: no head of {scores.task} moves {outcome} beyond noise"
    return ""


def below_floor(scores: HeadScores, baseline_floor: float) -> str:
    """Whether the untouched model's accuracy (exact match) is below the floor, in words; empty where it is not."""
    accuracy = float(scores.baseline["exact_match"].mean())
    return (
        ""
        if accuracy >= baseline_floor
        else f"floor: {scores.task} has accuracy {accuracy:.2f}, below {baseline_floor:g}"
    )


def heads_with_effect(scores: HeadScores, outcome: str) -> Bool[np.ndarray, "layer head"]:
    """The heads whose mean effect differs from 0 at the 5 % level, two-sided, Bonferroni over heads."""
    effects = scores.effects[outcome].astype(np.float64, copy=False)
    mean = effects.mean(axis=-1)
    error = effects.std(axis=-1, ddof=1) / np.sqrt(effects.shape[-1]) if effects.shape[-1] > 1 else np.inf
    return np.abs(mean) > stats.norm.isf(0.025 / mean.size) * error


def beyond_training(group: Group, length: int) -> str:
    """Which task's heads were scored at a length beyond its training, in words; empty where none's were.

    There a task fails where it does not transfer, and its map is that of a task that fails: overlap would follow
    transfer by construction.
    """
    outside = [entry for entry in group.tasks if length > entry.max_length]
    return f"length {length} is beyond {outside[0].task}'s training range, {outside[0].max_length}" if outside else ""
