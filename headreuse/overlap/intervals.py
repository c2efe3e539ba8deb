"""How far would an overlap move with other prompts? A 95 % interval, only where simulation shows that it holds.

The simulated maps, and how often the interval holds there: `analyses/benchmarks/calibrating/maps.py`. It holds for the
cosine of maps that are clear of noise. Sets and ranks jump where prompts change; a difference is made larger by noise,
and to give an interval only to those that look large would choose the ones that chance made so.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from headreuse.overlap.registry import MapMetric
from headreuse.overlap.resampling import N_GROUPS

RELIABLE = 0.8
"""The least likeness between the maps of halves of the prompts, of either task."""
LEAST_MOVED = 20
"""The least prompts in which ablating a map's strongest head changes the outcome."""


@dataclass(frozen=True)
class PromptInterval:
    """Where a metric lies on average with as many prompts."""

    low: float
    high: float
    note: str
    """Why there is none, in words; empty where there is one."""


def interval(
    metric: MapMetric, value: float, without: Float[np.ndarray, "group"], *, self_likeness: float, n_moved: int
) -> PromptInterval:
    """95 % interval of what a metric is on average with as many prompts.

    It does not hold the bias that noise gives to `value`: the noise ceiling shows that.

    Args:
        metric: What was compared.
        value: Of all prompts.
        without: The metric without each group of prompts in turn.
        self_likeness: Between the maps of halves of the prompts, the lesser of the two tasks.
        n_moved: Prompts in which the strongest head of a map has an effect, the lesser number of the two tasks.
    """
    if np.isnan(value):
        return PromptInterval(np.nan, np.nan, "")
    if reason := _why_none(metric, value, without, self_likeness, n_moved):
        return PromptInterval(np.nan, np.nan, f"no interval: {reason}")
    # Jackknife over groups of prompts, on Fisher's scale since the value is bounded. Unlike a bootstrap, which adds the
    # noise of the prompts once more, it leaves the maps about as noisy as they are.
    n, moved = len(without), np.arctanh(without.astype(np.float64))
    error = np.sqrt((n - 1) / n * np.sum((moved - moved.mean()) ** 2))
    half = stats.t.isf(0.025, n - 1) * error
    return PromptInterval(float(np.tanh(np.arctanh(value) - half)), float(np.tanh(np.arctanh(value) + half)), "")


def _why_none(
    metric: MapMetric, value: float, without: Float[np.ndarray, "group"], self_likeness: float, n_moved: int
) -> str:
    if not metric.interval_holds:
        return f"none holds for {metric.name} in simulation"
    if len(without) < N_GROUPS:
        return f"it takes at least {N_GROUPS} prompts"
    if n_moved < LEAST_MOVED:
        return f"a task's strongest head changes only {n_moved} prompts, fewer than {LEAST_MOVED}"
    if not self_likeness >= RELIABLE:
        return f"halves of a task's prompts give maps with {metric.name} {self_likeness:.2f}, below {RELIABLE:g}"
    inside = max(abs(value), float(np.abs(without).max())) < 1 - 1e-6
    return "" if inside else "the value lies at the end of its range"
