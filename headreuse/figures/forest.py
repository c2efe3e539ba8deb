"""How does transfer go with overlap in each group, and how certain is it? Every estimate with its interval."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headreuse.correlation.across import CONTRASTED
from headreuse.correlation.panels import NO_OVERLAP
from headreuse.correlation.wording import counted
from headreuse.figures.measures import PUBLISHED
from headreuse.figures.panels import WIDE, Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.rows import (
    KIND_COLOURS,
    Row,
    empty_rows,
    kinds_entries,
    row_axis,
    row_changes,
    row_height,
    span,
)
from headreuse.figures.seeds import legend_entry
from headreuse.figures.style import escaped
from headreuse.figures.views import Choice, Key, View, add_views, choice, keys

SHOWN = ("aligned", "step_adjusted", "conditional", "retimed", "within_run", "first_differences", "pooled_spearman")
"""Statistics to choose from; the others are only in the table."""
LABEL_LINES = 2
"""A group's name, and what its estimate is of."""
LETTER, LONGEST_COUNT = 6.3, len("10 runs, 100 points")
"""Pixels of a letter of a label, and letters of its second line."""
OF_PATTERNS = "pattern"
"""The outcome of metrics of attention patterns; they are shown with every outcome."""


def forest(correlation: pd.DataFrame) -> go.Figure:
    """Correlation of overlap with transfer, a panel for each overlap metric and a row for each group.

    Args:
        correlation: rows of the `correlation` table, of any number of groups.

    Views: outcome, method (where there are several), transfer metric, statistic. A hollow point has no interval. Below
    the groups is a row for related minus control, where there is one. Distances and similarities have opposite signs.
    """
    rows = shown_rows(correlation)
    groups = _groups(rows)
    metrics = sorted(rows["overlap_metric"].unique(), key=lambda name: name not in PUBLISHED)
    kinds = [kind for kind in KIND_COLOURS if kind in set(rows["kind"])]
    choices = _choices(rows)
    legend = [
        legend_entry(kind, mode="markers", marker=marker, legendgroup=kind)
        for kind, marker in kinds_entries(kinds).items()
    ]
    figure = go.Figure(layout=_layout(metrics, groups, kinds))
    figure.add_traces(legend)
    for panel in range(len(metrics)):
        figure.add_traces(empty_rows(panel, kinds))
    figure.update_yaxes(**row_axis(len(groups), LABEL_LINES))
    figure.update_xaxes(title_text="correlation")
    found = _by_view(rows, [entry.name for entry in choices])
    views: dict[Key, View] = {}
    for key in keys(choices):
        panels = [[found.get((*key, metric, group)) or _missing(rows, group) for group in groups] for metric in metrics]
        limits = span([row for panel in panels for row in panel], (-1, 1), (-2, 2))
        traces = [{"type": "scatter"} for _ in legend]
        traces += [change for panel in panels for change in row_changes(panel, kinds, limits[0])]
        axes = {panel_axes(index)["xaxis"].replace("x", "xaxis"): {"range": limits} for index in range(len(metrics))}
        views[key] = View(traces, axes)
    return add_views(figure, choices, views)


def shown_rows(correlation: pd.DataFrame) -> pd.DataFrame:
    """The rows that the figure shows, with the contrast under the statistic that it compares."""
    rows = contrast_with_its_statistic(correlation)
    shown = rows["statistic"].isin(SHOWN) & rows["kind"].isin(KIND_COLOURS)
    return rows[shown & (rows["method"] != NO_OVERLAP)]


def contrast_with_its_statistic(correlation: pd.DataFrame) -> pd.DataFrame:
    """The table with the difference between related and control groups under the statistic that it compares."""
    return correlation.assign(statistic=correlation["statistic"].where(correlation["kind"] != "contrast", CONTRASTED))


def _groups(rows: pd.DataFrame) -> list[str]:
    """Related, then control, then the contrast; within a kind as they come."""
    named = rows.drop_duplicates("group")
    order = {kind: place for place, kind in enumerate(KIND_COLOURS)}
    return sorted(named["group"], key=dict(zip(named["group"], named["kind"].map(order), strict=True)).__getitem__)


def _choices(rows: pd.DataFrame) -> list[Choice]:
    """Begins at the primary question's measures, and there at the first statistic that any group has."""
    measured = rows[rows["outcome"] != OF_PATTERNS]
    measured = measured if len(measured) else rows
    outcomes = sorted(measured["outcome"].unique(), key=lambda name: name != "exact_match")
    asked = measured[measured["primary"].fillna(False).astype(bool)] if "primary" in measured else measured.iloc[:0]
    start = {name: str(asked[name].iloc[0]) for name in ("outcome", "method", "transfer_metric") if len(asked)}
    choices = [choice("outcome", outcomes, start=start.get("outcome"))]
    if measured["method"].nunique() > 1:
        choices.append(choice("method", measured["method"].unique().tolist(), start=start.get("method")))
    choices.append(
        choice("transfer_metric", list(rows["transfer_metric"].unique()), start=start.get("transfer_metric"))
    )
    shown = rows[rows["value"].notna()]
    for entry in choices:
        shown = shown[(shown[entry.name].astype(str) == entry.start) | (shown["outcome"] == OF_PATTERNS)]
    statistics = [name for name in SHOWN if name in set(rows["statistic"])]
    known = [name for name in statistics if name in set(shown["statistic"])]
    return [*choices, choice("statistic", statistics, start=known[0] if known else None)]


def _by_view(rows: pd.DataFrame, names: Sequence[str]) -> dict[Key, Row]:
    """Every row by view, metric and group; those of patterns go with every outcome and method."""
    columns = [*names, "overlap_metric", "group"]
    found: dict[Key, Row] = {}
    of_patterns = rows["outcome"] == OF_PATTERNS
    parts = [rows[~of_patterns]]
    for column in [name for name in names if name in ("outcome", "method")]:
        values = rows.loc[~of_patterns, column].unique()
        parts += [rows[of_patterns].assign(**{column: value}) for value in values]
    for part in parts:
        keyed = zip(*(part[name].astype(str) for name in columns), strict=True)
        found |= {key: _row(entry) for key, entry in zip(keyed, part.to_dict("records"), strict=True)}
    return found


def _row(entry: Mapping[Hashable, Any]) -> Row:
    value, low, high = (float(entry[name]) for name in ("value", "ci_low", "ci_high"))
    n_runs, n_points = int(entry["n_runs"]), int(entry["n_points"])
    label = f"{entry['group']}\n{counted(n_runs, 'run')}, {counted(n_points, 'point')}"
    note = entry.get("note")
    note = "" if pd.isna(note) else str(note)
    return Row(label if np.isfinite(value) else f"{label} · not defined", str(entry["kind"]), value, low, high, note)


def _missing(rows: pd.DataFrame, group: str) -> Row:
    """The row of a group that has no such estimate."""
    kind = str(rows.loc[rows["group"] == group, "kind"].iloc[0])
    return Row(f"{group}\n–", kind, np.nan, np.nan, np.nan, "no such estimate")


def _layout(metrics: Sequence[str], groups: Sequence[str], kinds: Sequence[str]) -> go.Layout:
    height = row_height(LABEL_LINES) * len(groups)
    margin = (14, 14, 34, 48)
    longest = max(LONGEST_COUNT, *map(len, groups))
    columns = int(np.clip(WIDE // (LETTER * longest + 20), 1, 2 if len(metrics) <= 4 else 3))
    wide = Arrangement(columns=columns, height=height, margin=margin, column_gap=0.05)
    narrow = Arrangement(columns=1, height=height, margin=margin)
    titles = panel_titles([escaped(metric.replace("_", " ")) for metric in metrics])
    return panel_layout(len(metrics), wide, narrow, legend=kinds, annotations=titles)
