"""The correlations between overlap and transfer, each as a way to centre a series of checkpoints.

Every one of them is Σ x̃ỹ / √(Σ x̃² Σ ỹ²), over all runs and steps, of the two series centred in its own way. So a
statistic is one function of one series (`run step`, NaN at checkpoints that do not count), and it broadcasts over
leading dimensions (simulations, resamples).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from headreuse.registry import Registry

Series = Float[np.ndarray, "*batch run step"]
Centred = Float[np.ndarray, "*batch row column"]
"""0 at checkpoints that do not count. Mostly a row per run and a column per step; by pairs of points, one row."""
Centre = Float[np.ndarray, "*batch _ _"]
"""What is subtracted from a series: a value for each run, each step, or one for all."""

TINY = 1e-12
"""A centred series whose values are below this fraction of the series itself counts as constant."""


@dataclass(frozen=True)
class Statistic:
    """One kind of correlation over checkpoints."""

    name: str
    centred: Callable[[Series], Centred]
    within_runs: bool
    """Whether each run is centred about its own mean, so that differences between runs do not enter."""
    by_run: bool
    """Whether a run's centred series does not depend on the order of the runs, so that seeds can be permuted."""

    def __call__(self, x: Series, y: Series) -> Float[np.ndarray, "*batch"]:
        """The correlation, −1 to 1; NaN where a centred series is zero, so that none is defined."""
        return coefficient(self.centred(x), self.centred(y))

    @property
    def summary(self) -> str:
        """What it is, in a sentence."""
        return (self.centred.__doc__ or "").strip().splitlines()[0]


STATISTICS: Registry[Statistic] = Registry("statistic")


def statistic(
    *, within_runs: bool, by_run: bool = True
) -> Callable[[Callable[[Series], Centred]], Callable[[Series], Centred]]:
    """Register a way of centring as the correlation of its name."""

    def register(centred: Callable[[Series], Centred]) -> Callable[[Series], Centred]:
        STATISTICS.add(centred.__name__, Statistic(centred.__name__, centred, within_runs, by_run))
        return centred

    return register


def coefficient(x: Centred, y: Centred) -> Float[np.ndarray, "*batch"]:
    """Correlation of two centred series; NaN where one of them is zero."""
    across = np.sum(x * y, axis=(-2, -1))
    size = np.sqrt(np.sum(x * x, axis=(-2, -1)) * np.sum(y * y, axis=(-2, -1)))
    r = np.divide(across, size, out=np.full(np.shape(size), np.nan), where=size > 0)
    return np.asarray(np.clip(r, -1.0, 1.0))


@statistic(within_runs=False)
def pooled_pearson(series: Series) -> Centred:
    """Pearson's correlation over all checkpoints of all runs; differences between runs and common trends enter."""
    return _about(series, _mean(series, (-2, -1)))


@statistic(within_runs=False)
def pooled_spearman(series: Series) -> Centred:
    """Spearman's rank correlation over all checkpoints of all runs."""
    ranked = stats.rankdata(series.reshape(*series.shape[:-2], -1), axis=-1, nan_policy="omit").reshape(series.shape)
    return _about(ranked, _mean(ranked, (-2, -1)))


@statistic(within_runs=False, by_run=False)
def pooled_kendall(series: Series) -> Centred:
    """Kendall's τ-b over all checkpoints of all runs."""
    points = series.reshape(*series.shape[:-2], -1)
    first, second = np.triu_indices(points.shape[-1], 1)
    signs = np.sign(points[..., first] - points[..., second])
    return np.nan_to_num(signs)[..., None, :]


@statistic(within_runs=False)
def between_run(series: Series) -> Centred:
    """Pearson's correlation between the runs' means: do runs with more overlap transfer more?"""
    means = _mean(series, -1)
    return _about(means, _mean(means, (-2, -1)))


@statistic(within_runs=True)
def within_run(series: Series) -> Centred:
    """Repeated-measures correlation: ANCOVA with run as factor, one slope for all runs (Bakdash & Marusich 2017)."""
    return _about(series, _mean(series, -1))


@statistic(within_runs=True)
def step_adjusted(series: Series) -> Centred:
    """The same with step as a second factor: what is left without the trend that all runs share.

    Over the steps that count in every run.
    """
    everywhere = np.isfinite(series).all(axis=-2, keepdims=True)
    shared = np.where(everywhere, series, np.nan)
    return _about(shared, _mean(shared, -1) + _mean(shared, -2) - _mean(shared, (-2, -1)))


@statistic(within_runs=True)
def first_differences(series: Series) -> Centred:
    """Correlation of the changes from one checkpoint to the next, minus each run's mean change."""
    changes = np.diff(series, axis=-1)
    return _about(changes, _mean(changes, -1))


def _mean(series: Series, axes: int | tuple[int, ...]) -> Centre:
    """Mean over `axes` of the values that are not NaN; 0 where there is none."""
    present = np.isfinite(series)
    n = present.sum(axis=axes, keepdims=True)
    return np.where(present, series, 0).sum(axis=axes, keepdims=True) / np.maximum(n, 1)


def _about(series: Series, centre: Centre) -> Centred:
    """The series minus its centre; 0 where it is NaN, and exactly 0 throughout where only rounding errors are left."""
    present = np.isfinite(series)
    left = np.where(present, series - centre, 0)
    size = np.abs(np.where(present, series, 0)).max(axis=(-2, -1), keepdims=True)
    constant = np.abs(left).max(axis=(-2, -1), keepdims=True) <= TINY * size
    return np.where(constant, 0, left)
