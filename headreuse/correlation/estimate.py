"""One estimate of how transfer goes with overlap, with the interval and the p that it can have.

The rule: an interval or a p is given only where simulation showed it to be calibrated
(`analyses/benchmarks/calibration.py`); elsewhere the estimate stands alone and a note says why.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from headreuse.correlation.intervals import UNKNOWN, Interval, between_runs, jackknife, over_runs
from headreuse.correlation.panels import Panel
from headreuse.correlation.permutation import seed_permutation, smallest_p
from headreuse.correlation.statistics import Statistic
from headreuse.correlation.wording import counted

MIN_POINTS = 3
JACKKNIFE_FROM = {"step_adjusted": 4, "partial": 3}
"""Runs that an interval over runs needs, by statistic; 2 for the others."""
BETWEEN_FROM = 5
"""Runs that Fisher's interval of the between-run correlation needs."""
ALPHA = 0.05
UNDEFINED_WITHOUT_ONE = "no interval: undefined without one of the runs"

CORRELATION = "correlation"
SLOPE = "transfer per unit of overlap"


@dataclass(frozen=True)
class Estimate:
    """One row of the correlation table."""

    statistic: str
    value: float
    unit: str = CORRELATION
    ci_low: float = np.nan
    ci_high: float = np.nan
    interval: str = ""
    """How the interval was made."""
    p: float = np.nan
    test: str = ""
    """How p was made."""
    note: str = ""
    """Why something is missing."""


def correlation(panel: Panel, statistic: Statistic) -> Estimate:
    """A correlation over the checkpoints of a panel, with interval and p where they are calibrated."""
    if reason := undefined(panel, statistic):
        return Estimate(statistic.name, np.nan, note=reason)
    value = float(statistic(panel.overlap, panel.transfer))
    interval, how, no_interval = _interval(panel, statistic, value)
    p, no_p = _p(panel, statistic)
    return Estimate(
        statistic.name,
        value,
        ci_low=float(interval.low),
        ci_high=float(interval.high),
        interval=how,
        p=p,
        test="" if np.isnan(p) else "seed permutation",
        note="; ".join(reason for reason in (no_interval, no_p) if reason),
    )


def undefined(panel: Panel, statistic: Statistic) -> str:
    """Why a correlation is not defined, in words; empty where it is."""
    n_points = int(panel.present.sum())
    if n_points < MIN_POINTS:
        return f"{n_points} usable checkpoints; a correlation needs at least {MIN_POINTS}"
    x, y = statistic.centred(panel.overlap), statistic.centred(panel.transfer)
    if statistic.name == "between_run" and len(panel.seeds) < MIN_POINTS:
        return f"{counted(len(panel.seeds), 'run')}; a correlation between runs needs at least {MIN_POINTS}"
    if not x.any() or not y.any():
        name = panel.transfer_metric if x.any() else panel.overlap_metric
        return f"{name} does not vary{' within runs' if statistic.within_runs else ''}"
    return ""


def why_no_interval(statistic: Statistic, n_runs: int) -> str:
    """Why no interval of a correlation is calibrated with so many runs, in words; empty where one is."""
    if statistic.name == "between_run":
        return "" if n_runs >= BETWEEN_FROM else f"no interval between {n_runs} runs; it takes {BETWEEN_FROM}"
    if not statistic.within_runs:
        return "pooled: no interval from so few runs"
    return too_few_runs(statistic.name, n_runs)


def too_few_runs(name: str, n_runs: int) -> str:
    """Why the jackknife over so few runs is not calibrated for an estimate, in words; empty where it is."""
    needed = JACKKNIFE_FROM.get(name, 2)
    return "" if n_runs >= needed else f"no interval over {counted(n_runs, 'run')}; it takes {needed}"


def why_no_p(statistic: Statistic, n_runs: int) -> str:
    """Why a correlation has no p with so many runs, in words; empty where it has one."""
    if not statistic.by_run:
        return f"no p: {statistic.name} is not tested"
    if smallest_p(n_runs) <= ALPHA:
        return ""
    least = "" if n_runs < 2 else f", which cannot be less than {smallest_p(n_runs):.2g}"
    return f"no p from {counted(n_runs, 'run')}{least}"


def _interval(panel: Panel, statistic: Statistic, value: float) -> tuple[Interval, str, str]:
    """Interval, how it was made, and why there is none."""
    n_runs = len(panel.seeds)
    if reason := why_no_interval(statistic, n_runs):
        return UNKNOWN, "", reason
    if not statistic.within_runs:
        return between_runs(np.array(value), n_runs), "Fisher over runs", ""
    interval = over_runs(panel.overlap, panel.transfer, statistic)
    if np.isnan(interval.low):
        return UNKNOWN, "", UNDEFINED_WITHOUT_ONE
    return interval, "jackknife over runs", ""


def _p(panel: Panel, statistic: Statistic) -> tuple[float, str]:
    """p of the seed-permutation test, and why there is none."""
    if reason := why_no_p(statistic, len(panel.seeds)):
        return np.nan, reason
    common = panel.common()
    if undefined(common, statistic):
        return np.nan, "no p: too few steps count in every run"
    return float(seed_permutation(common.overlap, common.transfer, statistic)), ""


def jackknifed(panel: Panel, estimate: Estimate, value: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    """The estimate with the jackknife interval of `value`, a function of chosen runs, where there are enough runs."""
    if reason := too_few_runs(estimate.statistic, len(panel.seeds)):
        return replace(estimate, note=reason)
    interval = jackknife(value, len(panel.seeds))
    if np.isnan(interval.low):
        return replace(estimate, note=UNDEFINED_WITHOUT_ONE)
    return replace(estimate, ci_low=float(interval.low), ci_high=float(interval.high), interval="jackknife over runs")
