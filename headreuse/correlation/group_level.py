"""The group as the unit: do groups whose tasks share heads end up transferring? And tests of task × task matrices."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy import stats

from headreuse.correlation.estimate import Estimate
from headreuse.correlation.panels import Panel

MIN_POINTS = 3
"""Groups below which a correlation over them says nothing."""
MIN_GROUPS = 5
"""With fewer groups a two-sided permutation test cannot reach 5 % (2 / 5! with 5 groups)."""
N_PERMUTATIONS = 9999


def over_groups(panels: Sequence[Panel], *, seed: int = 0) -> Estimate:
    """Spearman over groups of each group's last overlap and last transfer, seeds averaged; p by permuting groups.

    There is no interval: the groups are too few for one.
    """
    name = "between_group"
    ends = np.array([_end(panel) for panel in panels if panel.present.any()]).reshape(-1, 2)
    n_groups = len(ends)
    row = Estimate(name, np.nan, n_runs=sum(len(panel.seeds) for panel in panels), n_points=n_groups)
    if n_groups < MIN_POINTS:
        return replace(row, note=f"{n_groups} groups; a correlation over groups needs at least {MIN_POINTS}")
    if np.ptp(ends, axis=0).min() == 0:
        return replace(row, note="overlap or transfer is the same in all groups")
    overlap, transfer = stats.rankdata(ends, axis=0).T

    def correlation(order: np.ndarray) -> float:
        return float(np.corrcoef(overlap[order.astype(int)], transfer)[0, 1])

    value, p = _permuted(np.arange(n_groups), correlation, seed)
    if n_groups < MIN_GROUPS:
        return replace(row, value=value, note=f"no p from {n_groups} groups: it takes {MIN_GROUPS} to reach 5 %")
    test = f"permutation of {n_groups} groups"
    return replace(row, value=value, p=p, test=test, note="no interval from so few groups")


def mantel(
    a: Float[np.ndarray, "task task"], b: Float[np.ndarray, "task task"], *, seed: int = 0
) -> tuple[float, float]:
    """Correlation of two symmetric task × task matrices off the diagonal, and its two-sided p by permuting tasks.

    Pairs that share a task are not independent. Permuting tasks, rows and columns together, keeps this dependence
    (Mantel 1967). Exact where there are fewer permutations than `N_PERMUTATIONS`. NaN where a matrix is constant.
    """
    upper = np.triu_indices(len(a), 1)

    def correlation(order: np.ndarray) -> float:
        rows = order.astype(int)
        return float(stats.pearsonr(a[np.ix_(rows, rows)][upper], b[upper]).statistic)

    tasks = np.arange(len(a))
    if np.ptp(a[upper]) == 0 or np.ptp(b[upper]) == 0:
        return np.nan, np.nan
    return _permuted(tasks, correlation, seed)


def _end(panel: Panel) -> tuple[float, float]:
    """Overlap and transfer at each run's last checkpoint that counts, mean over runs."""
    last = panel.present.shape[1] - 1 - panel.present[:, ::-1].argmax(axis=1)
    runs = np.flatnonzero(panel.present.any(axis=1))
    return tuple(float(series[runs, last[runs]].mean()) for series in (panel.overlap, panel.transfer))  # type: ignore[return-value]


def _permuted(units: np.ndarray, statistic: object, seed: int) -> tuple[float, float]:
    result = stats.permutation_test(
        (units,),
        statistic,
        permutation_type="pairings",
        vectorized=False,
        n_resamples=N_PERMUTATIONS,
        rng=np.random.default_rng(seed),
    )
    return float(result.statistic), float(result.pvalue)
