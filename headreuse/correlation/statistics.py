"""The correlations of transfer with overlap, each as a way to choose and centre the points of a panel.

One is added by a function of a panel under `@statistic`, in this file. It gives two series, and the estimate is always
made of the runs' own correlations of these: their median, an interval of that median, and for some the p of permuting
seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from headreuse.correlation.clocks import at_same_progress
from headreuse.correlation.paired import MIN_POINTS, about_level, deviations
from headreuse.correlation.panels import Panel
from headreuse.correlation.wording import counted
from headreuse.registry import Registry

LAGS = (-2, -1, 1, 2)
"""In checkpoints; at +1 overlap is compared with the transfer one checkpoint later."""


class UndefinedError(Exception):
    """Why a statistic is not defined for a panel, in words."""


@dataclass(frozen=True)
class Pair:
    """Overlap and transfer as they are correlated run by run (`run point`), NaN where a point does not count."""

    overlap: Float[np.ndarray, "run point"]
    transfer: Float[np.ndarray, "run point"]

    @property
    def n_points(self) -> int:
        """Points that count in both."""
        return int((np.isfinite(self.overlap) & np.isfinite(self.transfer)).sum())

    @property
    def varying(self) -> Bool[np.ndarray, "run"]:
        """Runs that have enough points and in which both vary."""
        return np.array([_varies(x) and _varies(y) for x, y in zip(self.overlap, self.transfer, strict=True)], bool)

    def of_runs(self, chosen: np.ndarray) -> "Pair":
        """Some of the runs."""
        return Pair(self.overlap[chosen], self.transfer[chosen])


@dataclass(frozen=True)
class Statistic:
    """One kind of correlation over checkpoints."""

    name: str
    pair: Callable[[Panel], Pair]
    """Raises `UndefinedError`."""
    is_tested: bool
    """Whether seeds are permuted for it; only where what all runs share has been taken out."""
    has_interval: bool
    """Whether an interval over runs holds in every simulated setting."""

    @property
    def summary(self) -> str:
        """What it is, in a sentence."""
        return " ".join((self.pair.__doc__ or "").split("\n\n")[0].split())


STATISTICS: Registry[Statistic] = Registry("statistic")


def statistic(
    *, is_tested: bool = False, has_interval: bool = True
) -> Callable[[Callable[[Panel], Pair]], Callable[[Panel], Pair]]:
    """Register a way to choose and centre the points of a panel as the correlation of its name."""

    def register(pair: Callable[[Panel], Pair]) -> Callable[[Panel], Pair]:
        STATISTICS.add(pair.__name__, Statistic(pair.__name__, pair, is_tested, has_interval))
        return pair

    return register


@statistic()
def within_run(panel: Panel) -> Pair:
    """Over the checkpoints of a run, the trend of training included: nearly everything that trains correlates so."""
    return Pair(about_level(panel.overlap), about_level(panel.transfer))


@statistic(is_tested=True)
def step_adjusted(panel: Panel) -> Pair:
    """At the same step, against the other seeds: what is left without what is typical of all runs at each step."""
    return Pair(deviations(panel.overlap), deviations(panel.transfer))


@statistic(is_tested=True)
def aligned(panel: Panel) -> Pair:
    """At the same progress, against the other seeds: each run's steps are read by when main crosses accuracy levels."""
    overlap, transfer = in_progress(panel)
    return Pair(deviations(overlap), deviations(transfer))


@statistic(is_tested=True, has_interval=False)
def retimed(panel: Panel) -> Pair:
    """At the same progress, and without what is left of a run's own timing in either series."""
    overlap, transfer = in_progress(panel)
    grid = np.log1p(panel.steps)
    return Pair(without_own_timing(overlap, grid), without_own_timing(transfer, grid))


@statistic(is_tested=True, has_interval=False)
def conditional(panel: Panel) -> Pair:
    """At the same step and given the accuracies of main and auxiliaries at the length of the head scores."""
    if not np.isfinite(panel.baselines).all(axis=-1)[panel.present].any():
        raise UndefinedError("the accuracies at the length of the head scores are not known")
    overlap, transfer = given_accuracies(panel.overlap, panel.transfer, panel.baselines)
    return Pair(deviations(overlap), deviations(transfer))


@statistic()
def first_differences(panel: Panel) -> Pair:
    """The changes from one checkpoint to the next, without each run's mean change."""
    return Pair(about_level(np.diff(panel.overlap)), about_level(np.diff(panel.transfer)))


def _lagged(lag: int) -> None:
    apart = counted(abs(lag), "checkpoint")
    when = f"{apart} later: does overlap lead?" if lag > 0 else f"{apart} earlier: does overlap follow?"

    def pair(panel: Panel) -> Pair:
        x, y = shifted(panel.overlap, panel.transfer, lag)
        return Pair(about_level(x), about_level(y))

    pair.__name__ = f"lag{lag:+d}"
    pair.__doc__ = f"Overlap with the transfer {when} The trend of training is included."
    statistic(has_interval=False)(pair)


for _lag in LAGS:
    _lagged(_lag)


def in_progress(panel: Panel) -> tuple[Float[np.ndarray, "run point"], Float[np.ndarray, "run point"]]:
    """Overlap and transfer at the same progress of main in all runs: as many points as there are steps.

    Raises `UndefinedError` where the runs' clocks cannot be compared.
    """
    series = panel.overlap, panel.transfer
    found = at_same_progress(panel.main_accuracy, panel.all_steps, panel.steps, series)
    if found is None:
        raise UndefinedError("no level of main's accuracy is crossed between the checkpoints of every run")
    return found[0], found[1]


def without_own_timing(
    series: Float[np.ndarray, "*batch run point"], grid: Float[np.ndarray, "point"]
) -> Float[np.ndarray, "*batch run point"]:
    """Deviations from what is typical, without the part that a small shift of each run along the grid would explain.

    A clock is read off noisy accuracies, and what an error of it leaves in a run is, to first order, the slope of the
    typical curve (as in curve registration: Ramsay & Li 1998). It is left in overlap and in transfer alike.
    """
    left = deviations(series)
    if len(grid) < 2:
        return left
    level = np.nan_to_num(about_level(series) - left)
    typical = level.sum(axis=-2, keepdims=True) / np.maximum(np.isfinite(left).sum(axis=-2, keepdims=True), 1)
    slope = about_level(np.where(np.isfinite(left), np.gradient(typical, grid, axis=-1), np.nan))
    size = np.nansum(slope**2, axis=-1, keepdims=True)
    shift = np.nansum(slope * left, axis=-1, keepdims=True) / np.where(size > 0, size, 1.0)
    return deviations(left - shift * slope)


def given_accuracies(
    overlap: Float[np.ndarray, "*batch run step"],
    transfer: Float[np.ndarray, "*batch run step"],
    accuracies: Float[np.ndarray, "*batch run step task"],
) -> tuple[Float[np.ndarray, "*batch run step"], Float[np.ndarray, "*batch run step"]]:
    """Residuals of both after least squares on run, step and each task's accuracy; over the points that have all."""
    known = np.isfinite(overlap) & np.isfinite(transfer) & np.isfinite(accuracies).all(axis=-1)
    points = (*known.shape[:-2], -1)

    def centred(series: np.ndarray) -> np.ndarray:
        return _about_run_and_step(np.where(known, series, np.nan))

    columns = [np.nan_to_num(centred(accuracies[..., task])).reshape(points) for task in range(accuracies.shape[-1])]
    design = np.stack(columns, axis=-1)
    inverse = np.linalg.pinv(design, rcond=1e-9)
    left = []
    for series in (overlap, transfer):
        values = centred(series)
        fitted = design @ (inverse @ np.nan_to_num(values).reshape(points)[..., None])
        rest = values - fitted[..., 0].reshape(known.shape)
        size = np.max(np.abs(np.nan_to_num(np.where(known, series, np.nan))), axis=(-2, -1), keepdims=True)
        left.append(np.where(np.isfinite(rest) & (np.abs(rest) <= 1e-9 * size), 0.0, rest))
    return left[0], left[1]


def _about_run_and_step(series: Float[np.ndarray, "*batch run step"]) -> Float[np.ndarray, "*batch run step"]:
    """Residuals of least squares on run and step as factors, by alternating projections."""
    present = np.isfinite(series)
    in_run, at_step = (np.maximum(present.sum(axis=axis, keepdims=True), 1) for axis in (-1, -2))
    left = np.where(present, series, 0.0)
    for _ in range(20):
        left = np.where(present, left - left.sum(axis=-1, keepdims=True) / in_run, 0.0)
        left = np.where(present, left - left.sum(axis=-2, keepdims=True) / at_step, 0.0)
        if present.all():  # one sweep is exact
            break
    return np.where(present, left, np.nan)


def shifted(
    x: Float[np.ndarray, "run step"], y: Float[np.ndarray, "run step"], lag: int
) -> tuple[Float[np.ndarray, "run pair"], Float[np.ndarray, "run pair"]]:
    """Two series with `y` taken `lag` checkpoints later; both NaN where either is."""
    n_steps = x.shape[-1]
    x, y = x[..., max(0, -lag) : n_steps - max(0, lag)], y[..., max(0, lag) : n_steps - max(0, -lag)]
    both = np.isfinite(x) & np.isfinite(y)
    return np.where(both, x, np.nan), np.where(both, y, np.nan)


def _varies(series: Float[np.ndarray, "point"]) -> bool:
    here = series[np.isfinite(series)]
    return len(here) >= MIN_POINTS and bool(np.ptp(here) > 0)
