"""Simulated studies, many at once: runs with clocks of their own, whose overlap and transfer go together as told.

Runs have AR(1) series about a common trend, whose innovations in overlap and transfer are correlated; each has a clock
of its own, and the accuracies by which the clock is read.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

EARLY_STEPS = 4
"""Checkpoints before main passes the floor: they show the clock, and have no overlap."""
BETWEEN = 720
"""Steps from one checkpoint to the next."""
N_EXAMPLES = 256
"""Of which an accuracy is the share."""

Series = Float[np.ndarray, "study run step"]


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
class Design:
    """The size of a study."""

    n_runs: int
    """Of each group: its seeds."""
    n_steps: int
    """Usable checkpoints of each run."""
    n_groups: int = 1
    """Groups that count together."""
    denser: int = 1
    """How many times as many checkpoints lie between the same steps as usual; neighbours are then more alike."""


@dataclass(frozen=True)
class Studies:
    """One group of many simulated studies."""

    steps: Int[np.ndarray, "any_step"]
    n_early: int
    """Of these steps, those before main passes the floor."""
    overlap: Series
    """At the steps after these; transfer too."""
    transfer: Series
    accuracies: Float[np.ndarray, "study run any_step 2"]
    """Of main and auxiliaries."""


def simulated(n: int, design: Design, effect: float, generator: np.random.Generator, learning: Learning) -> Studies:
    """One group of `n` studies in which `effect` is the correlation beyond trend and clock."""
    n_early = EARLY_STEPS * design.denser
    steps = BETWEEN * np.arange(1, n_early + design.n_steps + 1) // design.denser
    shape = (n, design.n_runs, len(steps))
    progress = np.log1p(steps) - learning.clock * generator.standard_normal((*shape[:2], 1))
    middle = np.log1p(BETWEEN * (EARLY_STEPS + 0.5))
    coefficient = learning.autocorrelation ** (1 / design.denser)
    noise, other = (autoregressive(shape, coefficient, generator) for _ in range(2))
    trend = learning.trend * np.tanh(2 * (progress - middle))
    truth = np.stack([1 / (1 + np.exp(-4 * (progress - middle + earlier))) for earlier in (0.2, 0.5)], axis=-1)
    transfer = trend + effect * noise + np.sqrt(1 - effect**2) * other
    return Studies(
        steps,
        n_early,
        (trend + noise)[..., n_early:],
        transfer[..., n_early:],
        generator.binomial(N_EXAMPLES, truth) / N_EXAMPLES,
    )


def autoregressive(
    shape: tuple[int, ...], coefficient: float, generator: np.random.Generator
) -> Float[np.ndarray, "*batch step"]:
    """Stationary AR(1) series of unit variance along the last dimension."""
    series = generator.standard_normal(shape)
    for step in range(1, shape[-1]):
        series[..., step] = coefficient * series[..., step - 1] + np.sqrt(1 - coefficient**2) * series[..., step]
    return series
