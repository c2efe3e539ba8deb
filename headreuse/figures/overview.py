"""A study at a glance: how far main reaches in each group, beside how alike its heads and its auxiliaries' are."""

from collections.abc import Collection, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.seeds import SYMBOLS, run_name
from headreuse.figures.style import DASHES, INK, MUTED, escaped, rounded, tinted

GROUPS = ("#004488", "#997700", "#994455", "#6699CC", "#EE99AA", "#000000")
"""For groups, so that no group looks like a task or a seed. Tol's medium-contrast colours without the palest."""


def overview(
    reach: pd.DataFrame,
    alike: pd.DataFrame,
    *,
    trained_to: int | None,
    overlap_title: str,
    alone: Collection[str] = (),
) -> go.Figure:
    """Two panels, a colour for each group: main's accuracy by length, and overlap run by run.

    Args:
        reach: columns group, length, accuracy, low, high: the median over runs, and their range.
        alike: columns group, seed, overlap; empty where no tasks could be compared, and there is one panel.
        trained_to: main's longest training length, marked by a dotted line; None where groups differ in it.
        overlap_title: what overlap is, at its axis.
        alone: the groups of one task, which have no overlap.
    """
    groups = [str(name) for name in dict.fromkeys(reach["group"])]
    colours = dict(zip(groups, cycle(GROUPS), strict=False))
    titles = ["accuracy of main, by length", "overlap of heads, run by run"][: 2 if len(alike) else 1]
    figure = go.Figure(layout=_layout(titles, [escaped(group) for group in groups]))
    for place, group in enumerate(groups):
        figure.add_traces(_reach(reach[reach["group"] == group], group, colours[group], DASHES[place % len(DASHES)]))
    figure.update_layout(
        xaxis={"title": {"text": "length"}, "hoverformat": "d"},
        yaxis={"title": {"text": "exact-match accuracy"}, "range": [-0.03, 1.05], "dtick": 0.25},
    )
    if trained_to is not None:
        figure.add_shape(_mark(trained_to))
        figure.add_annotation(_said(trained_to))
    if len(alike):
        for place, group in enumerate(groups):
            rows = alike[alike["group"] == group]
            shared = {"name": escaped(group), "legendgroup": escaped(group), "showlegend": False, **panel_axes(1)}
            if len(rows):
                marker = {"color": tinted(colours[group], 0.75), "size": 9, "symbol": SYMBOLS[place % len(SYMBOLS)]}
                figure.add_traces(_alike(rows, place, marker, shared))
            else:
                words = "one task alone" if group in alone else "no usable overlap"
                figure.add_trace(_said_instead(words, place, shared))
        figure.update_layout(
            xaxis2={"title": {"text": escaped(overlap_title), "font": {"size": 12}}, "range": _span(alike["overlap"])},
            yaxis2={"range": [len(groups) - 0.4, -0.6], "showticklabels": False, "ticks": "", "showgrid": False},
        )
    return figure


def _layout(titles: Sequence[str], legend: Sequence[str]) -> go.Layout:
    margin = (58, 14, 34, 46)
    wide = Arrangement(columns=2, height=230, margin=margin, column_gap=0.08)
    narrow = Arrangement(columns=1, height=190, margin=margin)
    return panel_layout(len(titles), wide, narrow, legend=legend, annotations=panel_titles(titles))


def _reach(rows: pd.DataFrame, group: str, colour: str, dash: str) -> list[go.Scatter]:
    """Lower edge, upper edge with the band below it, and the line."""
    edge: dict[str, Any] = {"x": rows["length"].tolist(), "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    edge |= {"showlegend": False, "legendgroup": escaped(group)}
    line = go.Scatter(
        x=rows["length"].tolist(),
        y=rounded(rows["accuracy"], 3),
        mode="lines",
        line={"color": colour, "width": 2.4, "dash": dash},
        name=escaped(group),
        legendgroup=escaped(group),
        hovertemplate="%{y:.2f} at length %{x}",
    )
    low, high = rounded(rows["low"], 3), rounded(rows["high"], 3)
    return [go.Scatter(edge, y=low), go.Scatter(edge, y=high, fill="tonexty", fillcolor=tinted(colour, 0.13)), line]


def _alike(rows: pd.DataFrame, place: int, marker: dict[str, Any], shared: dict[str, Any]) -> list[go.Scatter]:
    """A point for each run, and a line at their median."""
    points = go.Scatter(
        x=rounded(rows["overlap"]),
        y=[place] * len(rows),
        customdata=[run_name(seed) for seed in rows["seed"]],
        mode="markers",
        marker=marker,
        hovertemplate="%{x:.2f} in %{customdata}",
        **shared,
    )
    middle, bar = float(np.median(rows["overlap"])), {"color": INK, "width": 2.4}
    line = go.Scatter(
        x=rounded([middle] * 2), y=[place - 0.3, place + 0.3], mode="lines", line=bar, hoverinfo="skip", **shared
    )
    return [points, line]


def _said_instead(words: str, place: int, shared: dict[str, Any]) -> go.Scatter:
    """What stands in the row of a group that has no overlap."""
    text = {"mode": "text", "text": [words], "textposition": "middle right", "hoverinfo": "skip"}
    return go.Scatter(x=[0], y=[place], textfont={"color": MUTED, "size": 12}, **text, **shared)


def _span(values: pd.Series) -> list[float]:
    """From 0, or the least value, to 1, or the largest: small differences are not to look large."""
    low, high = min(0.0, float(values.min())), max(1.0, float(values.max()))
    margin = 0.03 * (high - low)
    return [round(low - margin, 4), round(high + margin, 4)]


def _mark(length: int) -> dict[str, Any]:
    line = {"color": MUTED, "width": 1.4, "dash": "dot"}
    ends = {"x0": length, "x1": length, "y0": 0, "y1": 1, "xref": "x", "yref": "y domain"}
    return {"type": "line", "layer": "below", "line": line, **ends}


def _said(length: int) -> dict[str, Any]:
    place = {"x": length, "y": 0.06, "xref": "x", "yref": "y domain", "xanchor": "right", "xshift": -4}
    return {**place, "text": f"trained to {length}", "font": {"size": 11, "color": MUTED}, "showarrow": False}
