"""Several groups together: their runs as one sample, and related groups against controls."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from headreuse.correlation.estimate import ALPHA, Estimate, combined
from headreuse.correlation.medians import u_at_most
from headreuse.correlation.paired import own, run_correlations
from headreuse.correlation.panels import Panel
from headreuse.correlation.statistics import STATISTICS, UndefinedError

CONTRASTED = "retimed"
"""The statistic whose difference between the kinds of groups is given: trend, clock and own timing are out of it."""
MIN_RUNS = 2
"""Runs of its own that a group needs to have a part in what is said of several."""


def together(panels: Sequence[Panel], twins: Mapping[str, str | None], name: str) -> Estimate:
    """A statistic over the runs of several groups; the seeds of each are permuted apart, those of twins together.

    Args:
        panels: of one measure, one of each group.
        twins: by group, the name that groups share whose runs of one seed start from the same weights.
        name: of the statistic.
    """
    return combined(families(panels, twins), STATISTICS[name])


def families(panels: Sequence[Panel], twins: Mapping[str, str | None]) -> list[list[Panel]]:
    """The panels of twins side by side, with the seeds that all of them have; others alone."""
    found: dict[str | None, list[Panel]] = {}
    for panel in panels:
        if len(panel.seeds) >= MIN_RUNS:
            found.setdefault(twins.get(panel.group, panel.group), []).append(panel)
    return [_same_seeds(family) for family in found.values()]


def _same_seeds(family: list[Panel]) -> list[Panel]:
    common = set.intersection(*(set(panel.seeds.tolist()) for panel in family))
    return [panel.of_runs(np.array([seed in common for seed in panel.seeds.tolist()], bool)) for panel in family]


def contrast(related: Sequence[Panel], control: Sequence[Panel]) -> Estimate:
    """By how much the runs' own correlations of related groups exceed those of controls, by `CONTRASTED`.

    The Hodges–Lehmann shift, with the interval and p of the Mann–Whitney test over runs (Hodges & Lehmann 1963).
    """
    sides = [np.concatenate([np.empty(0), *map(_own_correlations, side)]) for side in (related, control)]
    points = sum(int(panel.present.sum()) for panel in (*related, *control))
    row = Estimate("related_minus_control", np.nan, n_runs=sum(map(len, sides)), n_points=points)
    if not all(map(len, sides)):
        return replace(row, note=f"{CONTRASTED} is not defined in any run of one of the two kinds")
    a, b = sides
    row = replace(row, value=float(np.median(np.subtract.outer(a, b))))
    least = 2 / _orders(len(a), len(b))
    if least > ALPHA:
        note = f"no interval and no p from {len(a)} and {len(b)} runs: p could not be less than {least:.2g}"
        return replace(row, note=note)
    low, high = _shift_interval(a, b)
    p = float(stats.mannwhitneyu(a, b, method="exact" if len({*a, *b}) == len(a) + len(b) else "asymptotic").pvalue)
    test = "Mann–Whitney over runs"
    return replace(row, ci_low=low, ci_high=high, interval="Mann–Whitney, inverted", p=p, test=test)


def _own_correlations(panel: Panel) -> np.ndarray:
    """The correlation of each run in which it is defined."""
    if len(panel.seeds) < MIN_RUNS:
        return np.empty(0)
    try:
        pair = STATISTICS[CONTRASTED].pair(panel)
    except UndefinedError:
        return np.empty(0)
    z = own(run_correlations(pair.overlap, pair.transfer))
    return np.asarray(np.tanh(z[np.isfinite(z)]))


def _orders(n: int, m: int) -> float:
    return float(np.prod([(m + i) / i for i in range(1, n + 1)]))


def _shift_interval(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """The shifts that the Mann–Whitney test does not reject at 5 %."""
    # At shift d, U counts the differences a − b above d. So the shifts that are not rejected end at the k-th smallest
    # and k-th largest difference, where k − 1 is the largest U that is rejected.
    differences = np.sort(np.subtract.outer(a, b).ravel())
    k = int((2 * u_at_most(len(a), len(b)) <= ALPHA).sum())
    return float(differences[k - 1 if k else 0]), float(differences[len(differences) - max(k, 1)])


def by_measure(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    """The panels of each measure pairing, over groups."""
    keys = dict.fromkeys(panel.measure for panel in panels)
    for key in keys:
        yield [panel for panel in panels if panel.measure == key]
