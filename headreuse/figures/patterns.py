"""What do the heads that matter look at? Mean attention patterns of the most important heads, task by task."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.panels import Panels, panel_axes, panel_titles
from headreuse.figures.style import FRACTION, MUTED, escaped, rounded_rows
from headreuse.figures.views import Key, View, add_views, choice
from headreuse.records import Head, MeanPattern

ROLE_LABELS = {"BOS": "BOS", "MARKER": "marker", "INPUT": "input", "SEPARATOR": "=", "ANSWER": "answer", "PAD": "pad"}


@dataclass(frozen=True)
class RunPattern:
    """The mean pattern of one task at one checkpoint of one run."""

    group: str
    seed: int
    step: int
    mean: MeanPattern


@dataclass(frozen=True)
class HeadOfInterest:
    """A head and the task whose accuracy its ablation lowers most."""

    head: Head
    task: str
    effect: float


def heads_that_matter(
    head_scores: pd.DataFrame, *, tasks: Sequence[str], outcome: str = "exact_match", n_per_task: int = 1
) -> list[HeadOfInterest]:
    """Each task's heads of largest positive effect, main's first; a head is listed once.

    `head_scores` holds the rows of one checkpoint, one row for each task, outcome and head.
    """
    found: dict[Head, HeadOfInterest] = {}
    rows = head_scores[(head_scores["outcome"] == outcome) & (head_scores["effect"] > 0)]
    for task in tasks:
        largest = rows[rows["task"] == task].nlargest(n_per_task, "effect")
        for row in largest.itertuples():
            head = Head(int(row.layer), int(row.head))
            found.setdefault(head, HeadOfInterest(head, task, float(row.effect)))
    return list(found.values())


def attention_patterns(
    patterns: Sequence[RunPattern], heads: dict[int, list[HeadOfInterest]], *, tasks: Sequence[str]
) -> go.Figure:
    """Mean patterns of the chosen heads of each seed: a row per head, a column per task, a view per seed.

    Args:
        patterns: of one group, one for each seed and task.
        heads: for each seed, the heads to show.
        tasks: the columns, main first.
    """
    n_rows = max((len(chosen) for chosen in heads.values()), default=0)
    by_task = {(entry.seed, entry.mean.task): entry.mean for entry in patterns}
    choices = [choice("seed", sorted(heads))]
    panels = Panels(
        n_rows * len(tasks),
        columns=len(tasks),
        narrow_columns=len(tasks),
        height=250,
        narrow_height=120,
        row_gap=66,
        margin=(66, 64, 12, 66),
        legend_rows=1,
    )
    bar = {"thickness": 12, "title": {"text": "attention"}}
    scale = {"colorscale": FRACTION, "cmin": 0, "cmax": 1, "colorbar": bar}
    figure = go.Figure(layout=panels.layout(coloraxis=scale))
    for index in range(panels.n):
        figure.add_trace(go.Heatmap(z=[], coloraxis="coloraxis", hovertemplate=_HOVER, **panel_axes(index)))
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="")
    figure.update_xaxes(showgrid=False, ticks="")
    views: dict[Key, View] = {
        (str(seed),): _view(by_task, seed, (chosen, n_rows), tasks) for seed, chosen in heads.items()
    }
    return add_views(figure, choices, views)


_HOVER = "from position %{y} to position %{x}: %{z:.3f}<extra></extra>"


def _view(
    by_task: dict[tuple[int, str], MeanPattern],
    seed: int,
    rows: tuple[list[HeadOfInterest], int],
    tasks: Sequence[str],
) -> View:
    chosen, n_rows = rows
    traces: list[dict[str, Any]] = []
    titles: list[str] = []
    layout: dict[str, Any] = {}
    for row in range(n_rows):
        entry = chosen[row] if row < len(chosen) else None
        for column, task in enumerate(tasks):
            mean = by_task.get((seed, task)) if entry else None
            index = row * len(tasks) + column
            traces.append({"type": "heatmap", "z": _values(mean, entry)})
            titles.append(_title(entry, task) if entry else "")
            layout |= _axes(index, mean.layout if mean else (), first_column=column == 0)
    return View(traces, {"annotations": panel_titles(titles), **layout})


def _values(mean: MeanPattern | None, entry: HeadOfInterest | None) -> list[list[float | None]]:
    if mean is None or entry is None:
        return []
    return rounded_rows(mean.pattern[entry.head.layer, entry.head.head_index], 2)


def _title(entry: HeadOfInterest, task: str) -> str:
    why = f"top head of {escaped(entry.task)} (drop {entry.effect:.2f})" if entry.task == task else ""
    return f"head {entry.head} on {escaped(task)}<br><span style='color:{MUTED};font-size:11px'>{why}</span>"


def _axes(index: int, layout: Sequence[str], *, first_column: bool) -> dict[str, object]:
    """Ticks in the middle of each stretch of one role, named after it."""
    at, names, start = [], [], 0
    for role, stretch in groupby(layout):
        length = len(list(stretch))
        at.append(start + (length - 1) / 2)
        names.append(ROLE_LABELS.get(role, escaped(role)))
        start += length
    ticks = {"tickmode": "array", "tickvals": at, "ticktext": names}
    suffix = str(index + 1) if index else ""
    return {f"xaxis{suffix}": {**ticks, "tickangle": -60}, f"yaxis{suffix}": {**ticks, "showticklabels": first_column}}
