"""Several groups together: the mean of their correlations, and related groups against controls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from headreuse.correlation.estimate import ALPHA, Estimate, undefined
from headreuse.correlation.intervals import CONFIDENCE, FISHER, Interval, difference, over_runs
from headreuse.correlation.panels import Panel
from headreuse.correlation.permutation import null, p_value, smallest_p, stratified
from headreuse.correlation.statistics import STATISTICS
from headreuse.correlation.wording import counted

STATISTIC = "within_run"
"""What is averaged over groups."""
INTERVAL_FROM = 3
"""Runs that every group needs for an interval of their mean or difference."""


@dataclass(frozen=True)
class Combined:
    """The within-run correlation of several groups."""

    panels: tuple[Panel, ...]
    """Of the groups that have at least 2 runs and in which the correlation is defined."""
    value: float
    """Mean over groups, on Fisher's scale."""
    interval: Interval

    @property
    def n_runs(self) -> int:
        """Runs of all groups together."""
        return sum(len(panel.seeds) for panel in self.panels)

    @property
    def n_points(self) -> int:
        """Checkpoints of all groups together."""
        return sum(int(panel.present.sum()) for panel in self.panels)


def combine(panels: Sequence[Panel]) -> Combined | None:
    """The mean over independent groups of one measure's within-run correlation; None where no group has 2 runs.

    Its interval adds the groups' variances over runs, with Welch's degrees of freedom (Welch 1947).
    """
    # All on Fisher's scale, where a correlation is about normal. The jackknife interval of a group reaches t standard
    # errors to either side, so that its half width divided by t is the standard error.
    statistic = STATISTICS[STATISTIC]
    fit = [panel for panel in panels if len(panel.seeds) > 1 and not undefined(panel, statistic)]
    centres, errors, freedoms = [], [], []
    for panel in fit:
        interval = over_runs(panel.overlap, panel.transfer, statistic)
        if np.isnan(interval.low):
            return None
        z = float(FISHER.to(statistic(panel.overlap, panel.transfer)))
        freedom = len(panel.seeds) - 1
        centres.append(z)
        freedoms.append(freedom)
        errors.append((FISHER.to(interval.high) - z) / stats.t.isf((1 - CONFIDENCE) / 2, freedom))
    if not fit:
        return None
    half = _welch(np.array(errors), np.array(freedoms))
    centre = np.mean(centres)
    return Combined(tuple(fit), float(np.tanh(centre)), Interval(np.tanh(centre - half), np.tanh(centre + half)))


def together(name: str, combined: Combined) -> Estimate:
    """The mean over groups with its interval, and the p of permuting seeds within every group."""
    row = _with_interval(Estimate(STATISTIC, combined.value), combined.interval, combined)
    statistic = STATISTICS[STATISTIC]
    commons = [panel.common() for panel in combined.panels]
    commons = [panel for panel in commons if not undefined(panel, statistic)]
    sizes = tuple(len(panel.seeds) for panel in commons)
    if not commons or smallest_p(sizes) > ALPHA:
        least = f", which cannot be less than {smallest_p(sizes):.2g}" if commons else ""
        no_p = f"no p from {' + '.join(map(str, sizes)) or 'no'} runs of {name}{least}"
        return replace(row, note="; ".join(filter(None, (row.note, no_p))))
    nulls = [null(statistic.centred(panel.overlap), statistic.centred(panel.transfer)) for panel in commons]
    return replace(row, p=float(p_value(stratified(nulls))), test="seed permutation within groups")


def contrast(related: Combined, control: Combined) -> Estimate:
    """Mean within-run correlation of related groups minus that of controls; of these groups, not of others."""
    apart = Estimate("related_minus_control", related.value - control.value, unit="difference of correlations")
    interval = difference((related.value, related.interval), (control.value, control.interval))
    return _with_interval(apart, interval, related, control)


def _with_interval(row: Estimate, interval: Interval, *sides: Combined) -> Estimate:
    """The row with its interval, where every group has enough runs."""
    fewest = min(len(panel.seeds) for side in sides for panel in side.panels)
    if fewest < INTERVAL_FROM:
        return replace(
            row, note=f"no interval from groups of {counted(fewest, 'run')}; it takes {INTERVAL_FROM} in each"
        )
    how = "jackknife over runs, Welch over groups" + (", MOVER" if len(sides) > 1 else "")
    return replace(row, ci_low=float(interval.low), ci_high=float(interval.high), interval=how)


def by_measure(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    """The panels of each measure pairing, over groups."""
    keys = dict.fromkeys(panel.measure for panel in panels)
    for key in keys:
        yield [panel for panel in panels if panel.measure == key]


def _welch(errors: np.ndarray, freedoms: np.ndarray) -> float:
    """Half width of the interval of a mean over groups with these standard errors."""
    # The variance of the mean is the sum of the groups' variances / n². Each is estimated from few runs, so the sum is
    # about chi-squared with the degrees of freedom of Welch and Satterthwaite: (Σ s)² / Σ (s² / freedom), s each share.
    shares = (errors / len(errors)) ** 2
    total = shares.sum()
    freedom = total**2 / (shares**2 / freedoms).sum() if total > 0 else freedoms.sum()
    return float(stats.t.isf((1 - CONFIDENCE) / 2, freedom) * np.sqrt(total))
