"""Which correlation could have been detected with so many seeds and checkpoints?"""

from dataclasses import dataclass

import numpy as np

from headreuse.correlation.estimate import ALPHA
from headreuse.correlation.permutation import null, p_value, smallest_p
from headreuse.correlation.statistics import STATISTICS
from headreuse.correlation.wording import counted

N_SIMULATIONS = 400
TARGET = 0.8


@dataclass(frozen=True)
class Power:
    """What the seed-permutation test can find."""

    n_runs: int
    n_steps: int
    autocorrelation: float
    """Lag-one autocorrelation of what runs have beyond the common trend."""
    detectable: float
    """The smallest correlation beyond the common trend that is found in 80 % of studies; NaN where none is."""

    def __str__(self) -> str:
        runs = counted(self.n_runs, "run")
        if smallest_p(self.n_runs) > ALPHA:
            return f"{runs} describe and cannot test: it takes 4 seeds of a group to reach p ≤ {ALPHA:g}."
        design = f"With {runs}, {self.n_steps} checkpoints each and autocorrelation {self.autocorrelation:.2f}"
        if np.isnan(self.detectable):
            return f"{design}, no correlation is found in {TARGET:.0%} of studies: more seeds are needed."
        return (
            f"{design}, a correlation beyond the common trend of {self.detectable:.2f} or more is found in "
            f"{TARGET:.0%} of studies; weaker ones are mostly missed."
        )


def detectable_correlation(
    n_runs: int,
    n_steps: int,
    autocorrelation: float,
    generator: np.random.Generator,
    *,
    n_simulations: int = N_SIMULATIONS,
) -> Power:
    """By simulation: runs with AR(1) series whose innovations are correlated, tested by permuting seeds."""
    if smallest_p(n_runs) > ALPHA or n_steps < 3:
        return Power(n_runs, n_steps, autocorrelation, np.nan)
    shape = (n_simulations, n_runs, n_steps)
    x, other = (autoregressive(shape, autocorrelation, generator) for _ in range(2))

    def share_found(correlation: float) -> float:
        y = correlation * x + np.sqrt(1 - correlation**2) * other
        centred = STATISTICS["step_adjusted"].centred
        return float((p_value(null(centred(x), centred(y))) <= ALPHA).mean())

    if share_found(0.99) < TARGET:
        return Power(n_runs, n_steps, autocorrelation, np.nan)
    low, high = 0.0, 0.99
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (low, middle) if share_found(middle) >= TARGET else (middle, high)
    return Power(n_runs, n_steps, autocorrelation, round(high, 2))


def autoregressive(shape: tuple[int, ...], coefficient: float, generator: np.random.Generator) -> np.ndarray:
    """Stationary AR(1) series of unit variance along the last dimension."""
    series = generator.standard_normal(shape)
    for step in range(1, shape[-1]):
        series[..., step] = coefficient * series[..., step - 1] + np.sqrt(1 - coefficient**2) * series[..., step]
    return series
