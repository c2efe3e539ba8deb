"""What can be found? How often a real relation passes all three tests of the verdict, by simulation.

Runs have AR(1) series about a common trend, whose innovations in overlap and transfer are correlated; each has a clock
of its own, and the accuracy by which the clock is read.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from headreuse.correlation.estimate import ALPHA
from headreuse.correlation.paired import smallest_p
from headreuse.correlation.panels import Panel
from headreuse.correlation.table import verdict_of
from headreuse.correlation.verdict import FOUND
from headreuse.correlation.wording import counted

N_SIMULATIONS = 200
"""The Monte-Carlo error of a share is then at most 0.035."""
TARGET = 0.8
EFFECTS = (0.35, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Correlations among which the smallest that is found often enough is looked for."""
EARLY_STEPS = 4
"""Checkpoints before main passes the floor: they show the clock, and have no overlap."""


@dataclass(frozen=True)
class Learning:
    """How runs learn, where that is not known from a study: as the committed studies of strings do."""

    autocorrelation: float = 0.5
    """Lag-one autocorrelation of what runs have beyond the common trend."""
    clock: float = 0.15
    """Standard deviation over seeds of the log clock."""
    trend: float = 2.0
    """Half the height of the common trend, in standard deviations of the noise."""


@dataclass(frozen=True)
class Power:
    """What the verdict can find in a design."""

    n_runs: int
    n_steps: int
    """Usable checkpoints of each run."""
    detectable: float
    """The smallest of `EFFECTS` that is found in 80 % of studies; NaN where none is."""

    def __str__(self) -> str:
        runs = counted(self.n_runs, "run")
        if smallest_p(self.n_runs) > ALPHA:
            return f"{runs} describe and cannot test: it takes 4 seeds of a group to reach p ≤ {ALPHA:g}."
        design = f"With {runs} and {counted(self.n_steps, 'usable checkpoint')} each"
        if np.isnan(self.detectable):
            return f"{design}, even a strong relation is missed in more than {1 - TARGET:.0%} of studies: more seeds are needed."
        return (
            f"{design}, a correlation beyond progress of {self.detectable:.2f} or more is found in {TARGET:.0%} of "
            "studies; weaker ones are mostly missed."
        )


def power(
    n_runs: int,
    n_steps: int,
    generator: np.random.Generator,
    *,
    learning: Learning = Learning(),
    n_simulations: int = N_SIMULATIONS,
) -> Power:
    """The smallest correlation that a design finds often enough."""
    if smallest_p(n_runs) > ALPHA or n_steps < 4:
        return Power(n_runs, n_steps, np.nan)
    for effect in EFFECTS:
        if share_found(n_runs, n_steps, effect, generator, learning=learning, n_simulations=n_simulations) >= TARGET:
            return Power(n_runs, n_steps, effect)
    return Power(n_runs, n_steps, np.nan)


def share_found(
    n_runs: int,
    n_steps: int,
    effect: float,
    generator: np.random.Generator,
    *,
    learning: Learning = Learning(),
    n_simulations: int = N_SIMULATIONS,
) -> float:
    """How often a correlation of this size beyond trend and clock is found by the verdict, from 0 to 1."""
    found = 0
    for _ in range(n_simulations):
        panel = simulated(n_runs, n_steps, effect, generator, learning)
        row = verdict_of(panel)
        found += row.verdict == FOUND and row.direction == "reuse"
    return found / n_simulations


def simulated(
    n_runs: int, n_steps: int, effect: float, generator: np.random.Generator, learning: Learning
) -> Panel:
    """One study: usable checkpoints after main passes the floor, and earlier ones that only show its accuracy."""
    all_steps = np.arange(1, EARLY_STEPS + n_steps + 1)
    late = learning.clock * generator.standard_normal((n_runs, 1))
    progress = np.log(all_steps)[None, :] - late
    middle = np.log(EARLY_STEPS + 0.5)
    noise, other = (autoregressive((n_runs, len(all_steps)), learning.autocorrelation, generator) for _ in range(2))
    trend = learning.trend * np.tanh(2 * (progress - middle))
    overlap = trend + noise
    transfer = trend + effect * noise + np.sqrt(1 - effect**2) * other
    main, auxiliary = (1 / (1 + np.exp(-4 * (progress - middle + earlier))) for earlier in (0.2, 0.5))
    seen = [generator.binomial(256, share) / 256 for share in (main, auxiliary)]
    usable = slice(EARLY_STEPS, None)
    baselines = np.stack(seen, axis=-1)[:, usable]
    return Panel(
        "simulated",
        "ablation_map_difference",
        "mean_ablation",
        "log_prob",
        "gap",
        np.arange(n_runs),
        100 * all_steps[usable],
        overlap[:, usable],
        transfer[:, usable],
        baselines,
        100 * all_steps,
        *seen,
    )


def autoregressive(
    shape: tuple[int, ...], coefficient: float, generator: np.random.Generator
) -> Float[np.ndarray, "*batch step"]:
    """Stationary AR(1) series of unit variance along the last dimension."""
    series = generator.standard_normal(shape)
    for step in range(1, shape[-1]):
        series[..., step] = coefficient * series[..., step - 1] + np.sqrt(1 - coefficient**2) * series[..., step]
    return series
