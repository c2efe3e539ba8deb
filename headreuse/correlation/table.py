"""The correlation table: every estimate of every pairing of an overlap with a transfer measure."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from headreuse.config import Group
from headreuse.correlation.intervals import over_runs
from headreuse.correlation.panels import Panel, panels
from headreuse.correlation.statistics import STATISTICS, Statistic

MIN_POINTS = 3
COLUMNS = (
    "group",
    "overlap_metric",
    "method",
    "outcome",
    "transfer_metric",
    "statistic",
    "value",
    "ci_low",
    "ci_high",
    "p",
    "q",
    "n_runs",
    "n_points",
    "note",
)


def correlation_table(overlap: pd.DataFrame, transfer: pd.DataFrame, groups: Sequence[Group]) -> pd.DataFrame:
    """One row per group, overlap measure, transfer measure and statistic, from the `overlap` and `transfer` tables.

    `value` is a correlation over usable checkpoints, −1 to 1, and its interval the 95 % one over runs; NaN with the
    reason in `note`. p and q are empty: a p-value over checkpoints, which are a time series, would mean nothing.
    """
    rows = [_row(panel, statistic) for panel in panels(overlap, transfer, groups) for statistic in STATISTICS.values()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(panel: Panel, statistic: Statistic) -> dict[str, object]:
    label = {name: getattr(panel, name) for name in COLUMNS[:5]}
    counts = {"n_runs": len(panel.seeds), "n_points": int(panel.present.sum())}
    row = label | {"statistic": statistic.name, "value": np.nan, "ci_low": np.nan, "ci_high": np.nan}
    row |= {"p": np.nan, "q": np.nan, **counts}
    if counts["n_points"] < MIN_POINTS:
        return row | {"note": f"{counts['n_points']} usable checkpoints; a correlation needs at least {MIN_POINTS}"}
    value = float(statistic(panel.overlap, panel.transfer))
    if np.isnan(value):
        return row | {"note": f"{_constant(panel, statistic)} does not vary"}
    if counts["n_runs"] < 2:
        return row | {"value": value, "note": "one run: no interval over runs"}
    low, high = (float(limit) for limit in over_runs(panel.overlap, panel.transfer, statistic))
    return row | {"value": value, "ci_low": low, "ci_high": high, "note": ""}


def _constant(panel: Panel, statistic: Statistic) -> str:
    """The series that leaves no correlation."""
    where = " within runs" if statistic.within_runs else ""
    flat = not statistic.centred(panel.overlap).any()
    return f"{panel.overlap_metric if flat else panel.transfer_metric}{where}"
