"""One estimate of how transfer goes with overlap, with the interval and the p that it can have.

Value, interval and p of a row are of one thing, the runs' own correlations, on the same checkpoints. The rule: an
interval or a p is given only where simulation showed it to hold (`analyses/benchmarks/calibration.py`); elsewhere the
estimate stands alone and a note says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headreuse.correlation.medians import interval_of_median
from headreuse.correlation.paired import MIN_POINTS, Matrix, own, permutation_p, run_correlations, smallest_p
from headreuse.correlation.panels import Panel
from headreuse.correlation.statistics import Pair, Statistic, UndefinedError
from headreuse.correlation.wording import counted

ALPHA = 0.05
CONFIDENCE = 0.97
"""Of the interval of the median over runs. A run's correlation rests on what is typical of all runs, so that runs are
not quite independent, and coverage is up to 5 points less than this."""
INTERVAL_FROM = 6
"""Runs from which on an interval is about so sure; the extremes of five enclose their median in 94 %."""
SEED_PERMUTATION = "seed permutation, studentised"


@dataclass(frozen=True)
class Estimate:
    """One row of the correlation table."""

    statistic: str
    """What of overlap and transfer is correlated: see `headreuse.correlation.STATISTIC_SUMMARIES`."""
    value: float
    """Median over runs of their own correlations, −1 to 1."""
    ci_low: float = np.nan
    """Lower end of its interval over runs; NaN with too few."""
    ci_high: float = np.nan
    """Upper end of the same interval."""
    interval: str = ""
    """How the interval was made."""
    p: float = np.nan
    """Of no correlation, by permuting seeds; NaN where the runs are too few."""
    test: str = ""
    """How p was made."""
    n_runs: int = 0
    """Runs that it rests on."""
    n_points: int = 0
    """Points of these runs."""
    verdict: str = ""
    """Of `beyond_progress` alone: see `verdict.py`."""
    direction: str = ""
    """Of `beyond_progress` alone: whether the sign of the value is that of reuse or the opposite."""
    note: str = ""
    """Why something is missing."""


def estimate(panel: Panel, statistic: Statistic) -> Estimate:
    """A statistic of one panel."""
    return combined([[panel]], statistic)


def combined(families: Sequence[Sequence[Panel]], statistic: Statistic) -> Estimate:
    """A statistic over the runs of one or several groups.

    Args:
        families: groups whose seeds are permuted apart; those of one family (twins) have the same runs and are permuted
            together.
    """
    try:
        pairs = [[statistic.pair(panel) for panel in family] for family in families]
    except UndefinedError as reason:
        return Estimate(statistic.name, np.nan, note=str(reason))
    varying = [np.logical_and.reduce([pair.varying for pair in family]) for family in pairs]
    kept = [
        [pair.of_runs(here) for pair in family]
        for family, here in zip(pairs, varying, strict=True)
        if here.sum() > (1 if len(pairs) > 1 else 0)
    ]
    if not kept:
        return Estimate(statistic.name, np.nan, note=_why_nothing([pair for family in pairs for pair in family]))
    matrices = [[run_correlations(pair.overlap, pair.transfer) for pair in family] for family in kept]
    z = np.concatenate([own(matrix) for family in matrices for matrix in family])
    z = z[np.isfinite(z)]
    if not len(z):
        return Estimate(statistic.name, np.nan, note="overlap or transfer does not vary where both are there")
    no_interval = why_no_interval(statistic, len(z))
    low, high = (np.nan, np.nan) if no_interval else interval_of_median(z, confidence=CONFIDENCE)
    p, no_p = _p(matrices) if statistic.is_tested else (np.nan, "")
    return Estimate(
        statistic.name,
        float(np.tanh(np.median(z))),
        float(np.tanh(low)),
        float(np.tanh(high)),
        "" if no_interval else "order statistics over runs",
        p,
        "" if np.isnan(p) else SEED_PERMUTATION,
        n_runs=len(z),
        n_points=sum(pair.n_points for family in kept for pair in family),
        note="; ".join(filter(None, [no_interval, no_p])),
    )


def why_no_interval(statistic: Statistic, n_runs: int) -> str:
    """Why there is no interval over so many runs, in words; empty where there is one."""
    if not statistic.has_interval:
        return "no interval: none that held in every simulated setting"
    return "" if n_runs >= INTERVAL_FROM else f"no interval over {counted(n_runs, 'run')}; it takes {INTERVAL_FROM}"


def _p(matrices: Sequence[Sequence[Matrix]]) -> tuple[float, str]:
    """p of permuting seeds, and why there is none."""
    sizes = [family[0].shape[-1] for family in matrices]
    least = smallest_p(*sizes)
    if least <= ALPHA:
        return float(permutation_p(matrices)), ""
    runs = " + ".join(map(str, sizes))
    return np.nan, f"no p from {runs} run{'s' if runs != '1' else ''}: it could not be less than {least:.2g}"


def _why_nothing(pairs: Sequence[Pair]) -> str:
    known = [np.isfinite(pair.overlap) & np.isfinite(pair.transfer) for pair in pairs]
    most = max(int(here.sum(axis=-1).max(initial=0)) for here in known)
    if most < MIN_POINTS:
        return f"no run has {MIN_POINTS} usable checkpoints (the most is {most})"
    return "overlap or transfer does not vary within any run"
