"""The group as the unit: do groups whose tasks share heads end up transferring? And tests of task × task matrices."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from headreuse.correlation.across import by_measure
from headreuse.correlation.panels import Panel

MIN_GROUPS = 5
"""Groups that a two-sided permutation takes to reach 5 % (2 / 5!)."""
N_PERMUTATIONS = 9999


def group_level_table(panels: Sequence[Panel], *, seed: int = 0) -> pd.DataFrame:
    """One row per measure pairing: Spearman over groups of each group's last overlap and last transfer, seeds averaged.

    Columns: overlap_metric, method, outcome, transfer_metric, statistic, value (−1 to 1), p (exact where groups are
    few), n_groups, note. No interval: so few groups bear none.
    """
    rows = []
    for together in by_measure(panels):
        ends = np.array([_end(panel) for panel in together if panel.present.any()]).reshape(-1, 2)
        label = dict(zip(("overlap_metric", "method", "outcome", "transfer_metric"), together[0].measure, strict=True))
        rows.append(label | {"statistic": "between_group"} | _over_groups(ends, seed))
    columns = ["overlap_metric", "method", "outcome", "transfer_metric", "statistic", "value", "p", "n_groups", "note"]
    return pd.DataFrame(rows, columns=columns)


def mantel(
    a: Float[np.ndarray, "task task"], b: Float[np.ndarray, "task task"], *, seed: int = 0
) -> tuple[float, float]:
    """Correlation of two symmetric task × task matrices off the diagonal, and its two-sided p by permuting tasks.

    Pairs that share a task are not independent; permuting tasks, rows and columns together, keeps that (Mantel 1967).
    Exact where there are fewer permutations than `N_PERMUTATIONS`. NaN where a matrix is constant.
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


def _over_groups(ends: Float[np.ndarray, "group 2"], seed: int) -> dict[str, object]:
    n_groups = len(ends)
    empty = {"value": np.nan, "p": np.nan, "n_groups": n_groups}
    if n_groups < 3:
        return empty | {"note": f"{n_groups} groups; a correlation over groups needs at least 3"}
    if np.ptp(ends, axis=0).min() == 0:
        return empty | {"note": "overlap or transfer is the same in all groups"}
    overlap, transfer = ends.T

    def correlation(order: np.ndarray) -> float:
        return float(stats.spearmanr(overlap[order.astype(int)], transfer).statistic)

    value, p = _permuted(np.arange(n_groups), correlation, seed)
    if n_groups < MIN_GROUPS:
        return empty | {"value": value, "note": f"no p from {n_groups} groups: it takes {MIN_GROUPS} to reach 5 %"}
    return empty | {"value": value, "p": p, "note": ""}


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
