"""How sure is an estimate? Intervals in which the run, not the checkpoint, is the unit of replication.

Checkpoints of one run are a time series, so an interval that counts them (Fisher's z with the residual degrees of
freedom) is far too narrow. Here each run is one observation: the intervals say how an estimate, with the trend that all
runs share, would vary over new seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from headreuse.correlation.statistics import Series, Statistic

CONFIDENCE = 0.95


Numbers = Float[np.ndarray, "*batch"] | float
"""One for each of many studies, or just one."""


@dataclass(frozen=True)
class Scale:
    """A scale on which an estimate is about normal, and the way back."""

    to: Callable[[Numbers], Numbers]
    back: Callable[[Numbers], Numbers]


def _fisher_z(r: Numbers) -> Numbers:
    """Fisher's z (Fisher 1921); a perfect correlation is taken as slightly less, so that z stays finite."""
    return np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))


FISHER = Scale(_fisher_z, np.tanh)
PLAIN = Scale(np.asarray, np.asarray)


@dataclass(frozen=True)
class Interval:
    """A 95 % interval; arrays where many estimates are made at once."""

    low: Numbers
    high: Numbers


UNKNOWN = Interval(np.nan, np.nan)


def jackknife(estimate: Callable[[Int[np.ndarray, "chosen"]], Numbers], n_runs: int, scale: Scale = FISHER) -> Interval:
    """Delete-one-run jackknife (Tukey 1958) with Student's t of n_runs − 1, on a scale where estimates are normal.

    The variance is taken about the estimate itself, not about the mean of the pseudo-values. It is then a little
    larger, as two and three runs need. NaN where the estimate is undefined without some run.

    Args:
        estimate: of the runs whose indices it is given.
        n_runs: at least 2.
        scale: Fisher's z for correlations, none for slopes.
    """
    whole = scale.to(np.asarray(estimate(np.arange(n_runs))))
    without = scale.to(np.stack([estimate(np.delete(np.arange(n_runs), run)) for run in range(n_runs)]))
    pseudo = n_runs * whole - (n_runs - 1) * without
    error = np.sqrt(np.sum((pseudo - whole) ** 2, axis=0) / (n_runs * (n_runs - 1)))
    half = stats.t.isf((1 - CONFIDENCE) / 2, n_runs - 1) * error
    return Interval(scale.back(whole - half), scale.back(whole + half))


def over_runs(x: Series, y: Series, statistic: Statistic) -> Interval:
    """The jackknife interval of a correlation of two series."""
    return jackknife(lambda runs: statistic(x[..., runs, :], y[..., runs, :]), x.shape[-2])


def between_runs(r: Numbers, n_runs: int) -> Interval:
    """Fisher's interval of Pearson's correlation of `n_runs` independent pairs, one pair a run; at least 4 runs."""
    half = stats.norm.isf((1 - CONFIDENCE) / 2) / np.sqrt(n_runs - 3)
    return Interval(np.tanh(_fisher_z(r) - half), np.tanh(_fisher_z(r) + half))


def cluster_bootstrap(x: Series, y: Series, generator: np.random.Generator, *, n_resamples: int = 4000) -> Interval:
    """Interval of `within_run` by drawing whole runs with replacement, its percentiles widened for few runs.

    They are widened as a t interval is: the tails are Φ(−t √(n/(n−1))) (Hesterberg 2015, "expanded percentile").
    """
    n_runs = x.shape[-2]
    x, y = (series - np.nanmean(series, axis=-1, keepdims=True) for series in (x, y))
    weights = generator.multinomial(n_runs, np.full(n_runs, 1 / n_runs), size=n_resamples).T.astype(float)
    xy, xx, yy = (np.nansum(product, axis=-1) @ weights for product in (x * y, x * x, y * y))
    widened = stats.t.isf((1 - CONFIDENCE) / 2, n_runs - 1) * np.sqrt(n_runs / (n_runs - 1))
    tail = stats.norm.sf(widened)
    low, high = np.quantile(xy / np.sqrt(xx * yy), [tail, 1 - tail], axis=-1)
    return Interval(low, high)


def difference(a: tuple[float, Interval], b: tuple[float, Interval]) -> Interval:
    """Interval of a − b from the intervals of two independent estimates (MOVER; Zou 2007)."""
    (value_a, of_a), (value_b, of_b) = a, b
    apart = value_a - value_b
    below = np.hypot(value_a - of_a.low, of_b.high - value_b)
    above = np.hypot(of_a.high - value_a, value_b - of_b.low)
    return Interval(apart - below, apart + above)
