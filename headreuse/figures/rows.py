"""Estimates in rows: each is a point with its interval, and its label above, so that long names fit a narrow page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from headreuse.figures.panels import panel_axes
from headreuse.figures.style import INK, MUTED, escaped, rounded

KIND_COLOURS = {"related": "#225555", "control": "#A0522D", "primary": "#7030A0", "contrast": INK}
"""No colour of a task, a seed or a group."""
ZERO = "zero"
"""The name of the trace that marks 0."""
_LINE, _BELOW, _LIFT = 16, 14, 7
"""Pixels of a line of a label, below a point, and between a point and its label."""


@dataclass(frozen=True)
class Row:
    """One estimate; NaN where undefined."""

    label: str
    """May have several lines."""
    kind: str
    """A key of `KIND_COLOURS`."""
    value: float
    low: float
    high: float
    note: str = ""
    """Shown when the pointer is on the row."""


def empty_rows(panel: int, kinds: Sequence[str]) -> list[go.Scatter]:
    """The traces of a panel that `row_changes` fills: marks of 0, labels, then intervals and points by kind."""
    line = {"color": MUTED, "width": 1.4}
    zero = go.Scatter(mode="lines", line=line, name=ZERO, showlegend=False, hoverinfo="skip", **panel_axes(panel))
    labels = go.Scatter(
        mode="text",
        textposition="top right",
        textfont={"size": 12},
        cliponaxis=False,
        showlegend=False,
        hovertemplate="%{customdata}<extra></extra>",
        **panel_axes(panel),
    )
    return [zero, labels, *(trace for kind in kinds for trace in (_line(kind, panel), _points(kind, panel)))]


def row_changes(rows: Sequence[Row], kinds: Sequence[str], left: float) -> list[dict[str, Any]]:
    """The marks of 0, the labels, which begin at `left`, then intervals and points; hollow points have no interval.

    A row has its own mark of 0 below its label: one line for all rows would run through the labels.
    """
    height = row_height(_n_lines(rows))
    lift, below = round(_LIFT / height, 3), round(_BELOW / height, 3)
    ends = [end for place in range(len(rows)) for end in (place - lift, place + below, None)]
    zero = {"type": "scatter", "x": [0, 0, None] * len(rows), "y": ends}
    labels = {
        "type": "scatter",
        "x": [left] * len(rows),
        "y": [place - lift for place in range(len(rows))],
        "text": [escaped(row.label).replace("\n", "<br>") for row in rows],
        "customdata": [escaped(row.note or row.label) for row in rows],
    }
    return [zero, labels, *(change for kind in kinds for change in _changes(rows, kind))]


def row_height(n_lines: int) -> int:
    """Pixels of a row: its label and its line."""
    return n_lines * _LINE + _BELOW + _LIFT + 5


def row_axis(n_rows: int, n_lines: int) -> dict[str, Any]:
    """The vertical axis of a panel of rows, the first on top; it has no ticks, since labels are in the panel."""
    below = _BELOW / row_height(n_lines)
    bounds = [n_rows - 1 + below, below - 1]
    return {"range": bounds, "showticklabels": False, "ticks": "", "showgrid": False, "showline": False}


def span(rows: Sequence[Row], least: tuple[float, float], most: tuple[float, float]) -> list[float]:
    """A range that holds `least` and all values and intervals, and does not exceed `most`."""
    ends = np.array([end for row in rows for end in (row.value, row.low, row.high) if np.isfinite(end)])
    low = max(most[0], min([least[0], *ends])) if ends.size else least[0]
    high = min(most[1], max([least[1], *ends])) if ends.size else least[1]
    margin = 0.04 * (high - low)
    return [round(float(low - margin), 4), round(float(high + margin), 4)]


def kinds_entries(kinds: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The marker of each kind in a legend."""
    return {kind: {"size": 9, "color": KIND_COLOURS[kind]} for kind in kinds}


def _points(kind: str, panel: int) -> go.Scatter:
    colour = KIND_COLOURS[kind]
    return go.Scatter(
        mode="markers",
        marker={"size": 9, "color": colour, "line": {"color": colour, "width": 1.6}},
        showlegend=False,
        name=kind,
        legendgroup=kind,
        hovertemplate="%{x:.3g} %{customdata}<extra></extra>",
        **panel_axes(panel),
    )


def _line(kind: str, panel: int) -> go.Scatter:
    line = {"color": KIND_COLOURS[kind], "width": 2}
    return go.Scatter(mode="lines", line=line, showlegend=False, hoverinfo="skip", **panel_axes(panel))


def _changes(rows: Sequence[Row], kind: str) -> list[dict[str, Any]]:
    here = [(place, row) for place, row in enumerate(rows) if row.kind == kind and np.isfinite(row.value)]
    known = [(place, row) for place, row in here if _has_interval(row)]
    lines = {
        "type": "scatter",
        "x": rounded([end for _, row in known for end in (row.low, row.high, np.nan)]),
        "y": [end for place, _ in known for end in (place, place, None)],
    }
    points = {
        "type": "scatter",
        "x": rounded([row.value for _, row in here]),
        "y": [place for place, _ in here],
        "customdata": [escaped(_hover(row)) for _, row in here],
        "marker": {"symbol": ["circle" if _has_interval(row) else "circle-open" for _, row in here]},
    }
    return [lines, points]


def _hover(row: Row) -> str:
    interval = f"({row.low:.2f} to {row.high:.2f})" if _has_interval(row) else "(no interval)"
    return f"{interval} {row.note}".strip()


def _n_lines(rows: Sequence[Row]) -> int:
    return max((row.label.count("\n") + 1 for row in rows), default=1)


def _has_interval(row: Row) -> bool:
    return bool(np.isfinite([row.low, row.high]).all())
