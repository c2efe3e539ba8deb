"""How far has each run learned at each step? Its clock, from when a task's accuracy crosses given levels.

A seed that learns faster has everything earlier: heads alike, and a smaller gap. At the same step the two then go
together over seeds, although neither depends on the other. At the same progress they do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import isotonic_regression

LEVELS = (0.2, 0.35, 0.5, 0.65, 0.8)
"""Accuracies whose crossing tells the time."""
LEVELS_FOR_STRETCH = 4
"""Levels that every run must cross for a speed of its own to be judged."""
LEAST_STRETCH = 0.25
"""A run slower or faster than this (or its inverse) against the others is taken for a bad fit."""


def crossings(
    accuracy: Float[np.ndarray, "run step"], steps: Int[np.ndarray, "step"]
) -> Float[np.ndarray, "run level"]:
    """Log step at which each run's accuracy first reaches each of `LEVELS`; NaN where that was not seen.

    The accuracy is first made monotone (isotonic regression), and log step is interpolated between checkpoints. A level
    that is reached at the first checkpoint, or never, is not seen.
    """
    found = np.full((len(accuracy), len(LEVELS)), np.nan)
    for run, series in enumerate(accuracy):
        here = np.isfinite(series)
        if here.any():
            found[run] = _crossings(isotonic_regression(series[here]).x, np.log1p(steps[here]))
    return found


def _crossings(rising: Float[np.ndarray, "step"], log_steps: Float[np.ndarray, "step"]) -> list[float]:
    found = []
    for level in LEVELS:
        after = int(np.searchsorted(rising, level))
        seen = 0 < after < len(rising)
        found.append(
            float(np.interp(level, rising[after - 1 : after + 1], log_steps[after - 1 : after + 1])) if seen else np.nan
        )
    return found


SLACK = 1e-9
"""In log step, so that a checkpoint is not lost to rounding."""


@dataclass(frozen=True)
class Clock:
    """How the log step of each run is to be read: (log step − late) / stretch is the same progress in all runs."""

    late: Float[np.ndarray, "run"]
    """By how much later than the mean run, in log step."""
    stretch: Float[np.ndarray, "run"]
    """How many times as long the run takes between two levels; 1 for all where `form` is `shift`."""
    form: str
    """`shift`, or `shift and scale` where that foretells a level from the other levels better."""
    levels: tuple[float, ...]
    """The levels that every run crosses, which it rests on."""

    @property
    def spread(self) -> float:
        """Standard deviation over runs, in log step: 0.2 is a factor of about 1.2 in steps; NaN for one run."""
        return float(np.std(self.late, ddof=1)) if len(self.late) > 1 else np.nan

    def progress(self, steps: Int[np.ndarray, "step"]) -> Float[np.ndarray, "run step"]:
        """Each run's steps as log steps of the mean run."""
        centre = self._centre
        return centre + (np.log1p(steps)[None, :] - self.late[:, None] - centre) / self.stretch[:, None]

    _centre: float = 0.0
    """The mean log step of the crossings, about which runs are stretched."""


def clock(crossed: Float[np.ndarray, "run level"]) -> Clock | None:
    """The clock of runs from their crossings; None where no level is crossed by all of them."""
    shared = np.isfinite(crossed).all(axis=0)
    if not shared.any() or not len(crossed):
        return None
    times = crossed[:, shared]
    typical, centre = times.mean(axis=0), float(times.mean())
    late = times.mean(axis=1) - centre
    levels = tuple(level for level, here in zip(LEVELS, shared, strict=True) if here)
    stretch = _stretch(times, typical)
    if stretch is None:
        return Clock(late, np.ones(len(times)), "shift", levels, centre)
    return Clock(late, stretch, "shift and scale", levels, centre)


def _stretch(
    times: Float[np.ndarray, "run level"], typical: Float[np.ndarray, "level"]
) -> Float[np.ndarray, "run"] | None:
    """Each run's stretch, where it foretells a left-out level better than a shift alone; else None."""
    n_levels = times.shape[1]
    if n_levels < LEVELS_FOR_STRETCH or np.ptp(typical) == 0:
        return None
    errors = np.zeros(2)
    for left_out in range(n_levels):
        others = np.arange(n_levels) != left_out
        late = (times - typical)[:, others].mean(axis=1)
        slope = _slope(times[:, others], typical[others])
        middle = typical[others].mean()
        guesses = typical[left_out] + late, middle + late + slope * (typical[left_out] - middle)
        errors += [float(np.sum((times[:, left_out] - guess) ** 2)) for guess in guesses]
    stretch = _slope(times, typical)
    plausible = (stretch > LEAST_STRETCH).all() and (stretch < 1 / LEAST_STRETCH).all()
    return stretch if errors[1] < errors[0] and plausible else None


def _slope(times: Float[np.ndarray, "run level"], typical: Float[np.ndarray, "level"]) -> Float[np.ndarray, "run"]:
    """Least-squares slope of each run's crossings on the typical ones."""
    centred = typical - typical.mean()
    return np.asarray((times - times.mean(axis=1, keepdims=True)) @ centred / (centred @ centred))


def at_progress(
    series: Float[np.ndarray, "run step"],
    progress: Float[np.ndarray, "run step"],
    grid: Float[np.ndarray, "point"],
) -> Float[np.ndarray, "run point"]:
    """Each run's series at given progress, between its own checkpoints; NaN outside them."""
    found = np.full((len(series), len(grid)), np.nan)
    for run, (values, own) in enumerate(zip(series, progress, strict=True)):
        here = np.isfinite(values)
        if here.sum() > 1:
            first, last = own[here][[0, -1]]
            inside = (grid > first - SLACK) & (grid < last + SLACK)
            found[run, inside] = np.interp(grid[inside], own[here], values[here])
    return found


def at_same_progress(
    main_accuracy: Float[np.ndarray, "run any_step"],
    all_steps: Int[np.ndarray, "any_step"] | Float[np.ndarray, "any_step"],
    steps: Int[np.ndarray, "step"] | Float[np.ndarray, "step"],
    series: Sequence[Float[np.ndarray, "run step"]],
) -> list[Float[np.ndarray, "run step"]] | None:
    """Series of one group at the same progress of main in all runs; None where the runs' clocks cannot be compared."""
    found = clock(crossings(main_accuracy, all_steps))
    if found is None:
        return None
    progress, grid = found.progress(steps), np.log1p(steps)
    return [at_progress(each, progress, grid) for each in series]
