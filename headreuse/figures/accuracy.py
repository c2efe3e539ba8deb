"""How far does each task's accuracy reach? Accuracy by length, checkpoint by checkpoint."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.panels import Arrangement, panel_layout
from headreuse.figures.style import MUTED, escaped, rounded_rows, tinted
from headreuse.figures.views import Key, View, add_views, choice, keys

ALL_SEEDS = "median of seeds"


def accuracy_curves(accuracy: pd.DataFrame, *, trained: Mapping[str, int], colours: Mapping[str, str]) -> go.Figure:
    """Accuracy of each task of one group by length, with a view for each seed (and their median) and step.

    Args:
        accuracy: the `accuracy` rows of one group.
        trained: each task's longest training length, main first; a vertical line marks it.
        colours: a colour for each task.

    The band is the 95 % interval (Clopper–Pearson) of one seed, or the range of seeds about their median.
    """
    seeds, steps = sorted(accuracy["seed"].unique()), sorted(accuracy["step"].unique())
    choices = [
        choice("seed", [*([ALL_SEEDS] if len(seeds) > 1 else []), *seeds]),
        choice("step", steps, last=True),
    ]
    lengths = sorted(accuracy["length"].unique())
    curves = {str(seed): _by_length(rows, list(trained), lengths) for seed, rows in accuracy.groupby("seed")}
    curves[ALL_SEEDS] = _over_seeds(accuracy, list(trained), lengths)
    views: dict[Key, View] = {
        (seed, step): View(_lines(curves[seed].get(step), list(trained))) for seed, step in keys(choices)
    }

    figure = go.Figure(layout=_layout(trained, colours, max(lengths)))
    for task in trained:
        figure.add_traces(list(_empty_traces(task, trained[task], colours[task], [int(n) for n in lengths])))
    return add_views(figure, choices, views)


_Curve = dict[str, list[float | None]]
"""accuracy, ci_low and ci_high by length; None at lengths that were not measured."""
_Curves = dict[str, dict[str, _Curve]]
"""By step and task."""


def _by_length(rows: pd.DataFrame, tasks: list[str], lengths: list[int]) -> _Curves:
    rows = rows[rows["task"].isin(tasks)]
    columns = ["accuracy", "ci_low", "ci_high"]
    wide = {name: rows.pivot(index=["step", "task"], columns="length", values=name) for name in columns}
    grids = {name: rounded_rows(found.reindex(columns=lengths), 3) for name, found in wide.items()}
    curves: _Curves = {}
    for place, (step, task) in enumerate(wide["accuracy"].index):
        curves.setdefault(str(step), {})[str(task)] = {name: grid[place] for name, grid in grids.items()}
    return curves


def _over_seeds(accuracy: pd.DataFrame, tasks: list[str], lengths: list[int]) -> _Curves:
    by_length = accuracy.groupby(["step", "task", "length"])["accuracy"]
    return _by_length(by_length.agg(accuracy="median", ci_low="min", ci_high="max").reset_index(), tasks, lengths)


def _lines(curves: dict[str, _Curve] | None, tasks: list[str]) -> list[dict[str, Any]]:
    """What changes in the three traces of each task; empty where nothing was measured."""
    traces: list[dict[str, Any]] = []
    for task in tasks:
        curve = (curves or {}).get(task)
        if curve is None:
            traces += [{"y": []}, {"y": []}, {"y": [], "customdata": []}]
            continue
        low, high = curve["ci_low"], curve["ci_high"]
        limits = [list(pair) for pair in zip(low, high, strict=True)]
        traces += [{"y": low}, {"y": high}, {"y": curve["accuracy"], "customdata": limits}]
    return [{"type": "scatter", **trace} for trace in traces]


def _empty_traces(task: str, max_length: int, colour: str, lengths: list[int]) -> Iterator[go.Scatter]:
    """Lower edge, upper edge with the band below it, and the line."""
    edge: dict[str, Any] = {
        "x": lengths,
        "mode": "lines",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": escaped(task),
    }
    yield go.Scatter(edge)
    yield go.Scatter(edge, fill="tonexty", fillcolor=tinted(colour, 0.16))
    yield go.Scatter(
        x=lengths,
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"size": 5},
        name=_label(task, max_length),
        legendgroup=escaped(task),
        hovertemplate="%{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})",
    )


def _label(task: str, max_length: int) -> str:
    return f"{escaped(task)} (≤ {max_length})"


def _layout(trained: Mapping[str, int], colours: Mapping[str, str], longest: int) -> go.Layout:
    legend = [_label(task, max_length) for task, max_length in trained.items()]
    place = Arrangement(columns=1, height=300)
    layout = panel_layout(1, place, place, legend=legend, hovermode="x unified")
    layout.update(
        xaxis={"title": {"text": "length"}, "range": [0.5, longest + 0.5], "hoverformat": "d"},
        yaxis={"title": {"text": "exact-match accuracy"}, "range": [-0.02, 1.03]},
    )
    layout.shapes, layout.annotations = [], []
    marks = sorted((length, task) for task, length in trained.items())
    for length, entries in groupby(marks, key=lambda mark: mark[0]):
        tasks = [task for _, task in entries]
        _mark(layout, length, colours[tasks[0]] if len(tasks) == 1 else MUTED)
    return layout


def _mark(layout: go.Layout, length: int, colour: str) -> None:
    line = {"color": colour, "width": 1.5, "dash": "dot"}
    place = {"x0": length, "x1": length, "y0": 0, "y1": 1, "yref": "y domain", "layer": "below"}
    layout.shapes += ({"type": "line", "line": line, **place},)
    place = {"x": length, "y": 1, "yref": "y domain", "yanchor": "bottom"}
    text = {"text": f"trained to {length}", "font": {"size": 11, "color": MUTED}, "showarrow": False}
    layout.annotations += ({**place, **text},)
