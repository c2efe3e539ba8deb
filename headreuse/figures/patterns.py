"""What do the heads that matter look at? Mean attention patterns of the most important heads, task by task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.style import FRACTION, escaped, rounded_rows, subtitled, wrapped
from headreuse.figures.views import Key, View, add_views, choice
from headreuse.records import Head, MeanPattern

START = "BOS<br>marker"
"""The first two positions share a label, since two labels would overlap."""
ROLE_LABELS = {"BOS": START, "MARKER": START, "INPUT": "input", "SEPARATOR": "=", "ANSWER": "answer", "PAD": "pad"}


@dataclass(frozen=True)
class RunPattern:
    """The mean pattern of one task at one checkpoint of one run."""

    group: str
    seed: int | str
    """The label of the run, as in the tables' column `seed`."""
    step: int
    mean: MeanPattern


@dataclass(frozen=True)
class HeadOfInterest:
    """A head that some task needs."""

    head: Head
    outcome: str
    effects: Mapping[str, float]
    """Of ablating the head, on that outcome, by task."""


def heads_that_matter(
    head_scores: pd.DataFrame, *, tasks: Sequence[str], outcome: str = "exact_match", n_heads: int = 3
) -> list[HeadOfInterest]:
    """Each task's head of largest positive effect, in the order of the tasks, then each task's second, and so on.

    Args:
        head_scores: the rows of one checkpoint, one for each task, outcome and head.
        tasks: main first.
        outcome: by which heads are chosen.
        n_heads: at most so many heads.
    """
    rows = head_scores[head_scores["outcome"] == outcome]
    effects = rows.set_index(["layer", "head", "task"])["effect"].unstack()
    ranked = [effects[task][effects[task] > 0].sort_values(ascending=False).index for task in tasks if task in effects]
    places = [order[rank] for rank in range(len(effects)) for order in ranked if rank < len(order)]
    return [
        HeadOfInterest(Head(int(layer), int(head)), outcome, effects.loc[(layer, head)].astype(float).to_dict())
        for layer, head in list(dict.fromkeys(places))[:n_heads]
    ]


def attention_patterns(
    patterns: Sequence[RunPattern], heads: Mapping[int | str, Sequence[HeadOfInterest]], *, tasks: Sequence[str]
) -> go.Figure:
    """Mean patterns of the chosen heads of each seed: a row per head, a column per task, a view per seed.

    Args:
        patterns: of one group, one for each seed and task.
        heads: for each seed, the heads to show.
        tasks: the columns, main first.
    """
    n_rows, n_columns = max(len(chosen) for chosen in heads.values()), len(tasks)
    by_task = {(entry.seed, entry.mean.task): entry.mean for entry in patterns}
    wide = Arrangement(columns=n_columns, height=260, row_gap=60, column_gap=0.04, margin=(78, 66, 54, 62))
    smaller = {f"{axis}{index + 1 if index else ''}.tickfont.size": 10
               for index in range(n_rows * n_columns) for axis in ("xaxis", "yaxis")}  # fmt: skip
    narrow = Arrangement(columns=n_columns, height=110, row_gap=58, margin=(62, 48, 54, 52), more=smaller)
    scale = {"colorscale": FRACTION, "cmin": 0, "cmax": 1}
    figure = go.Figure(layout=panel_layout(n_rows * n_columns, wide, narrow, coloraxis=scale))
    for index in range(n_rows * n_columns):
        figure.add_trace(go.Heatmap(z=[], coloraxis="coloraxis", hovertemplate=_HOVER, **panel_axes(index)))
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", showticklabels=False)
    figure.update_xaxes(showgrid=False, ticks="", showticklabels=False)
    for axis in figure.select_xaxes():
        axis.showline = False
    views: dict[Key, View] = {}
    for seed, chosen in heads.items():
        padded = [*chosen, *[None] * (n_rows - len(chosen))]
        views[str(seed),] = _view({task: by_task.get((seed, task)) for task in tasks}, padded)
    return add_views(figure, [choice("seed", list(heads))], views)


_HOVER = "from position %{y} to position %{x}: %{z:.3f}<extra></extra>"


def _view(means: Mapping[str, MeanPattern | None], heads: Sequence[HeadOfInterest | None]) -> View:
    traces: list[dict[str, Any]] = []
    titles: list[str] = []
    layout: dict[str, Any] = {}
    shown = sum(entry is not None for entry in heads)
    for row, entry in enumerate(heads):
        for column, (task, mean) in enumerate(means.items()):
            index = len(traces)
            traces.append({"type": "heatmap", "z": _values(mean, entry)})
            titles.append(_title(entry, task))
            suffix = str(index + 1) if index else ""
            ticks = _ticks(mean.layout if mean else ())
            head = f"<b>head {entry.head}</b>" if entry and column == 0 else ""
            ticks["visible"] = bool(traces[-1]["z"])
            layout[f"xaxis{suffix}"] = {**ticks, "tickangle": -60, "showticklabels": row == shown - 1}
            layout[f"yaxis{suffix}"] = {**ticks, "showticklabels": column == 0, "title": {"text": head}}
    return View(traces, {"annotations": panel_titles(titles, size=12), **layout})


def _values(mean: MeanPattern | None, entry: HeadOfInterest | None) -> list[list[float | None]]:
    """The pattern without later positions, to which no attention can go."""
    if mean is None or entry is None:
        return []
    pattern = mean.pattern[entry.head.layer, entry.head.head_index]
    return rounded_rows(np.where(np.tril(np.ones(pattern.shape, dtype=bool)), pattern, np.nan), 2)


def _title(entry: HeadOfInterest | None, task: str) -> str:
    if entry is None:
        return ""
    effect = entry.effects.get(task, np.nan)
    return subtitled(wrapped(task), f"drop {effect:.2g}") if np.isfinite(effect) else wrapped(task)


def _ticks(layout: Sequence[str]) -> dict[str, object]:
    """A tick in the middle of each stretch of one role, with the role's name."""
    at, names, start = [], [], 0
    for label, stretch in groupby(ROLE_LABELS.get(role, escaped(role)) for role in layout):
        length = len(list(stretch))
        at.append(start + (length - 1) / 2)
        names.append(label)
        start += length
    return {"tickmode": "array", "tickvals": at, "ticktext": names}
