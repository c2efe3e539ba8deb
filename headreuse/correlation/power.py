"""What can be found? How often a real relation passes all tests of the verdict, by simulation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from headreuse.correlation.clocks import at_same_progress
from headreuse.correlation.estimate import ALPHA
from headreuse.correlation.paired import Matrix, deviations, own, permutation_p, run_correlations, smallest_p
from headreuse.correlation.simulated import Design, Learning, Series, Studies, simulated
from headreuse.correlation.statistics import given_accuracies, without_own_timing
from headreuse.correlation.verdict import RETIMED_FROM
from headreuse.correlation.wording import counted

N_SIMULATIONS = 200
"""The Monte-Carlo error of a share is then at most 0.035."""
AT_ONCE = 50
"""Studies of which all pairings are held in memory."""
TARGET = 0.8
EFFECTS = (0.35, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Correlations among which the smallest that is found often enough is looked for."""
USUAL = Learning()
MIN_STEPS = 4
"""Usable checkpoints below which nothing is tested."""


@dataclass(frozen=True)
class Power:
    """What the verdict can find in a design."""

    n_runs: int
    """Of each group."""
    n_steps: int
    """Usable checkpoints of each run."""
    detectable: float
    """The smallest of `EFFECTS` that is found in 80 % of studies; NaN where none is."""
    n_groups: int = 1
    """Groups that count together."""

    @property
    def has_runs_enough(self) -> bool:
        """Whether so many runs can reach 5 % at all."""
        return can_test(Design(self.n_runs, MIN_STEPS, self.n_groups))

    def __str__(self) -> str:
        runs = counted(self.n_runs, "run") + (f" in each of {self.n_groups} groups" if self.n_groups > 1 else "")
        if not self.has_runs_enough:
            return f"{runs} describe and cannot test: it takes 4 seeds of a group to reach p ≤ {ALPHA:g}."
        design = f"With {runs} and {counted(self.n_steps, 'usable checkpoint')} each"
        if np.isnan(self.detectable):
            missed = f"even a strong relation is missed in more than {1 - TARGET:.0%} of studies"
            return f"{design}, {missed}: more seeds are needed."
        return (
            f"{design}, a correlation beyond progress of {self.detectable:.2f} or more is found in {TARGET:.0%} of "
            "studies; weaker ones are mostly missed."
        )


def can_test(design: Design) -> bool:
    """Whether a study of this size can reach 5 % at all."""
    return smallest_p(*[design.n_runs] * design.n_groups) <= ALPHA and design.n_steps >= MIN_STEPS


def power(
    n_runs: int,
    n_steps: int,
    generator: np.random.Generator,
    *,
    n_groups: int = 1,
    learning: Learning = USUAL,
    n_simulations: int = N_SIMULATIONS,
) -> Power:
    """The smallest correlation that a design finds often enough."""
    design = Design(n_runs, n_steps, n_groups)
    for effect in EFFECTS if can_test(design) else ():
        if share_found(design, effect, generator, learning=learning, n_simulations=n_simulations) >= TARGET:
            return Power(n_runs, n_steps, effect, n_groups)
    return Power(n_runs, n_steps, np.nan, n_groups)


def share_found(
    design: Design,
    effect: float,
    generator: np.random.Generator,
    *,
    learning: Learning = USUAL,
    n_simulations: int = N_SIMULATIONS,
) -> float:
    """How often a positive correlation of this size beyond trend and clock is found by the verdict, from 0 to 1."""
    if not can_test(design):
        return 0.0
    found = []
    for start in range(0, n_simulations, AT_ONCE):
        n = min(AT_ONCE, n_simulations - start)
        groups = [simulated(n, design, effect, generator, learning) for _ in range(design.n_groups)]
        found.append(is_found(groups))
    return float(np.concatenate(found).mean())


def is_found(groups: Sequence[Studies]) -> Bool[np.ndarray, "study"]:
    """Whether the verdict on each study is a positive relation beyond progress; the groups are no twins."""
    is_large = sum(studies.overlap.shape[1] for studies in groups) >= RETIMED_FROM
    tests = zip(*(_matrices(studies, retimed=is_large) for studies in groups), strict=True)
    return np.logical_and.reduce([_is_positive(matrices) for matrices in tests])


def _is_positive(matrices: Sequence[Matrix]) -> Bool[np.ndarray, "study"]:
    z = np.concatenate([own(matrix) for matrix in matrices], axis=-1)
    defined = np.isfinite(z).any(axis=-1)
    median = np.nanmedian(np.where(defined[:, None], z, 0.0), axis=-1)
    return defined & (median > 0) & (permutation_p([[matrix] for matrix in matrices]) <= ALPHA)


def _matrices(studies: Studies, *, retimed: bool) -> list[Matrix]:
    """The correlations of runs under each test of the verdict."""
    overlap, transfer, usable = studies.overlap, studies.transfer, slice(studies.n_early, None)
    accuracies, grid = studies.accuracies[:, :, usable], np.log1p(studies.steps[usable])
    in_progress = _in_progress(studies)
    pairs = [(overlap, transfer), in_progress, given_accuracies(overlap, transfer, accuracies)]
    series = [(deviations(x), deviations(y)) for x, y in pairs]
    if retimed:
        series.append((without_own_timing(in_progress[0], grid), without_own_timing(in_progress[1], grid)))
    return [run_correlations(x, y) for x, y in series]


def _in_progress(studies: Studies) -> tuple[Series, Series]:
    """Overlap and transfer at the same progress; NaN throughout a study whose clocks cannot be compared."""
    steps, pairs = studies.steps[studies.n_early :], zip(studies.overlap, studies.transfer, strict=True)
    read = [
        at_same_progress(accuracies[..., 0], studies.steps, steps, pair)
        for accuracies, pair in zip(studies.accuracies, pairs, strict=True)
    ]
    unknown = [np.full(studies.overlap.shape[1:], np.nan)] * 2
    overlap, transfer = np.stack([pair or unknown for pair in read], axis=1)
    return overlap, transfer
