"""The correlation table: every estimate of every pairing of an overlap with a transfer measure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from scipy import stats

from headreuse.correlation.across import by_measure, combine, contrast, together
from headreuse.correlation.autocorrelation import effective_points
from headreuse.correlation.estimate import MIN_POINTS, Estimate, correlation
from headreuse.correlation.further import LAGS, lagged, mixed_slopes, partial, step_adjusted_slope
from headreuse.correlation.group_level import over_groups
from headreuse.correlation.panels import MEASURE_COLUMNS, Panel, panels
from headreuse.correlation.statistics import STATISTICS
from headreuse.study.config import Group

COLUMNS = (
    "group",
    "kind",
    *MEASURE_COLUMNS,
    "statistic",
    "value",
    "unit",
    "ci_low",
    "ci_high",
    "interval",
    "p",
    "q",
    "test",
    "n_runs",
    "n_points",
    "n_effective",
    "note",
)
ALL_GROUPS = {"related": "all related groups", "control": "all control groups"}
CONTRAST = "related − control"
ALL = "all groups"

Row = dict[str, object]


def correlation_table(overlap: pd.DataFrame, transfer: pd.DataFrame, groups: Sequence[Group]) -> pd.DataFrame:
    """One row per group, overlap measure, transfer measure and statistic, from the `overlap` and `transfer` tables.

    Over usable checkpoints only. `value` is a correlation (−1 to 1) or what `unit` says; `ci_low` and `ci_high` are
    its 95 % interval, and `interval` says how that was made; `p` is of the test that `test` names, which is never one
    over checkpoints; `q` is p with the false discovery rate controlled over all measures of the same group and
    statistic (Benjamini & Hochberg 1995). What a group has too few seeds for is NaN, and `note` says why.
    `n_effective` is the number of independent checkpoints that the checkpoints are worth.

    Several related (control) groups have rows of their mean, under the group `all related groups` (`all control
    groups`). Where there are both kinds, rows of `related − control` have their difference. From three groups on, rows
    of `all groups` correlate over groups: each group is then one point.
    """
    found = list(panels(overlap, transfer, groups))
    kinds = {group.name: group.kind for group in groups}
    rows = [*_rows_of_groups(found, kinds), *_rows_across(found, kinds)]
    return _with_q(pd.DataFrame(rows, columns=list(COLUMNS)))


def estimates(panel: Panel) -> Iterator[Estimate]:
    """All estimates of one panel."""
    for statistic in STATISTICS.values():
        yield correlation(panel, statistic)
    yield partial(panel)
    yield from (lagged(panel, lag) for lag in LAGS)
    yield step_adjusted_slope(panel)
    if panel.transfer_metric == "gap":
        yield from mixed_slopes(panel)


def _rows_of_groups(found: Sequence[Panel], kinds: Mapping[str, str]) -> Iterator[Row]:
    for panel in found:
        counts = {"n_runs": len(panel.seeds), "n_points": int(panel.present.sum())}
        label = {"group": panel.group, "kind": kinds[panel.group]} | counts | {"n_effective": effective_points(panel)}
        for estimate in estimates(panel):
            yield label | _measure(panel) | asdict(estimate)


def _rows_across(found: Sequence[Panel], kinds: Mapping[str, str]) -> Iterator[Row]:
    for same in by_measure(found):
        of_kind = {kind: [panel for panel in same if kinds[panel.group] == kind] for kind in ALL_GROUPS}
        combined = {kind: combine(chosen) for kind, chosen in of_kind.items()}
        for kind, whole in combined.items():
            if whole is not None and len(whole.panels) > 1:
                name = ALL_GROUPS[kind]
                counts = {"n_runs": whole.n_runs, "n_points": whole.n_points, "n_effective": np.nan}
                yield {"group": name, "kind": kind} | counts | _measure(same[0]) | asdict(together(name, whole))
        if len(same) >= MIN_POINTS:
            counts = {"n_runs": sum(len(panel.seeds) for panel in same), "n_points": len(same), "n_effective": np.nan}
            yield {"group": ALL, "kind": "all"} | counts | _measure(same[0]) | asdict(over_groups(same))
        related, control = combined["related"], combined["control"]
        if related is not None and control is not None:
            counts = {"n_runs": related.n_runs + control.n_runs, "n_points": related.n_points + control.n_points}
            label = {"group": CONTRAST, "kind": "contrast", "n_effective": np.nan} | counts
            yield label | _measure(same[0]) | asdict(contrast(related, control))


def _measure(panel: Panel) -> Row:
    return dict(zip(MEASURE_COLUMNS, panel.measure, strict=True))


def _with_q(table: pd.DataFrame) -> pd.DataFrame:
    """q by Benjamini and Hochberg over the measures of each group and statistic."""
    tested = table[table["p"].notna()]
    q = tested.groupby(["group", "statistic"])["p"].transform(stats.false_discovery_control)
    return table.assign(q=q.reindex(table.index))
