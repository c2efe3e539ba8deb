"""What Banzhaf and Shapley values have in common: outcomes of subsets, all or as many as are asked for."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float

from headreuse.errors import HeadreuseError, nearest
from headreuse.interventions.ablate import Ablated
from headreuse.interventions.batch import HeadSet
from headreuse.interventions.coalitions import ablate_coalitions
from headreuse.interventions.replacements import Replacement
from headreuse.interventions.subject import Subject
from headreuse.models.anatomy import Anatomy
from headreuse.records import OUTCOMES, Head, HeadScores
from headreuse.scores._ablation import longest
from headreuse.scores._subsets import Subsets, all_subsets
from headreuse.study.subsets import PAIR, least_subsets, n_drawn

MOST_DRAWN = 16_384
"""No more are drawn for the sake of a standard error."""
SAFETY = 1.1
"""By how much more is drawn at once than a standard error seems to need."""

Outcomes = Mapping[str, Float[np.ndarray, "subset prompt"]]
"""By name, with each subset ablated."""


class Value(Protocol):
    """A value of heads that follows from the outcomes of subsets."""

    def weights(self, n_heads: int) -> Float[np.ndarray, "all_heads subset"]:
        """Effects are this times the outcomes of all subsets."""

    def draw(self, n_heads: int, n_subsets: int) -> Subsets:
        """Subsets in pairs; more of them begin with the same ones."""

    def estimated(
        self, ablated: Subsets, lost: Float[np.ndarray, "subset prompt"], whole: Float[np.ndarray, "prompt"]
    ) -> "Estimated":
        """Effects from what is lost without each drawn subset, and without all heads."""


@dataclass(frozen=True)
class Estimated:
    """Effects of one outcome, from drawn subsets."""

    effects: Float[np.ndarray, "all_heads prompt"]
    errors: Float[np.ndarray, "all_heads"]
    """Standard errors of the mean effects over prompts, from drawing."""


@dataclass(frozen=True)
class Sampling:
    """How many subsets are wanted."""

    n_subsets: int | None = None
    until_error: float | None = None
    outcome: str = "log_prob"
    """Whose standard errors are to be small."""

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            hint = nearest(self.outcome, list(OUTCOMES))
            raise HeadreuseError(f"unknown outcome {self.outcome!r}{hint}; choose from: {', '.join(OUTCOMES)}")
        if self.until_error is not None and not self.until_error > 0:
            raise HeadreuseError(f"until_error={self.until_error} is never reached; give a standard error above 0")

    def first(self, n_heads: int) -> int | None:
        """How many are drawn to begin with; None where all are taken."""
        least = least_subsets(n_heads)
        if self.n_subsets is not None and self.n_subsets < least:
            raise HeadreuseError(f"n_subsets={self.n_subsets} cannot tell {n_heads} heads apart; give at least {least}")
        return n_drawn(n_heads, self.n_subsets)


def coalition_scores(
    subject: Subject, method: str, replacement: Replacement, value: Value, sampling: Sampling
) -> HeadScores:
    """Every head's value, exact where all subsets are taken, else with standard errors."""
    anatomy = subject.anatomy
    shape = anatomy.n_layers, anatomy.n_heads
    n_heads = anatomy.n_layers * anatomy.n_heads
    n_subsets = sampling.first(n_heads)
    errors: dict[str, Float[np.ndarray, "layer head"]] | None = None
    if n_subsets is None:
        ablated = _ablated(subject, all_subsets(n_heads), replacement)
        weights = value.weights(n_heads)
        effects = {name: weights @ found for name, found in ablated.outcomes.items()}
        baseline = ablated.baseline
    else:
        baseline, found = _drawn(subject, replacement, value, sampling, n_subsets)
        effects = {name: entry.effects for name, entry in found.items()}
        errors = {name: entry.errors.reshape(shape) for name, entry in found.items()}
    by_head = {name: values.reshape(*shape, -1) for name, values in effects.items()}
    return HeadScores(subject.prompts.task, longest(subject), method, baseline, by_head, errors=errors)


def _drawn(
    subject: Subject, replacement: Replacement, value: Value, sampling: Sampling, n_subsets: int
) -> tuple[dict[str, Float[np.ndarray, "prompt"]], dict[str, Estimated]]:
    """The baseline, and estimates of every outcome, from so many subsets or as many as the standard error needs."""
    n_heads = subject.anatomy.n_layers * subject.anatomy.n_heads
    without_all = _ablated(subject, np.ones((1, n_heads), dtype=bool), replacement)
    whole = {name: found[0] for name, found in _lost(without_all).items()}
    lost: dict[str, Float[np.ndarray, "_subset prompt"]] = {name: np.empty((0, len(whole[name]))) for name in OUTCOMES}
    while True:
        subsets = value.draw(n_heads, n_subsets)
        more = lost_without(subject, subsets[len(lost["log_prob"]) :], replacement)
        lost = {name: np.concatenate([before, more[name]]) for name, before in lost.items()}
        found = {name: value.estimated(subsets, lost[name], whole[name]) for name in OUTCOMES}
        wanted = _wanted(sampling, n_subsets, float(found[sampling.outcome].errors.max()))
        if wanted is None:
            return without_all.baseline, found
        n_subsets = wanted


def _wanted(sampling: Sampling, n_subsets: int, error: float) -> int | None:
    """How many subsets the standard error seems to need; None where there are enough, or no more are drawn."""
    if sampling.until_error is None or error <= sampling.until_error:
        return None
    if n_subsets >= MOST_DRAWN:
        warnings.warn(
            f"after {n_subsets} subsets the largest standard error is {error:.2g}, not {sampling.until_error:.2g}",
            stacklevel=2,
        )
        return None
    needed = SAFETY * n_subsets * (error / sampling.until_error) ** 2
    return min(MOST_DRAWN, PAIR * int(np.ceil(needed / PAIR)))


def _ablated(subject: Subject, subsets: Subsets, replacement: Replacement) -> Ablated:
    return ablate_coalitions(subject, head_sets(subject.anatomy, subsets), replacement)


def lost_without(
    subject: Subject, subsets: Subsets, replacement: Replacement
) -> dict[str, Float[np.ndarray, "subset prompt"]]:
    """Baseline minus outcome by name, with each subset ablated."""
    return _lost(_ablated(subject, subsets, replacement))


def _lost(ablated: Ablated) -> dict[str, Float[np.ndarray, "subset prompt"]]:
    """Effects in double precision, since many of them are added up."""
    return {name: ablated.baseline[name].astype(np.float64) - found for name, found in ablated.outcomes.items()}


def head_sets(anatomy: Anatomy, subsets: Subsets) -> list[HeadSet]:
    """Rows of booleans as sets of heads."""
    heads = [Head(*divmod(index, anatomy.n_heads)) for index in range(subsets.shape[1])]
    return [frozenset(heads[index] for index in np.flatnonzero(row)) for row in subsets]
