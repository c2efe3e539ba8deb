"""Which heads does each task need? Layer × head maps of what is lost when one head is ablated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.style import SIGNED, escaped, rounded, subtitled
from headreuse.figures.views import Choice, Key, View, add_views, choice, keys

MAX_CELLS_WITH_NUMBERS = 64
"""In a map of at most this many heads each cell shows its value."""


def ablation_maps(
    head_scores: pd.DataFrame,
    *,
    tasks: Sequence[str],
    baseline_floor: float = 0.0,
    method: str | None = None,
    outcome: str | None = None,
) -> go.Figure:
    """Effect of every head on each task of one group, side by side; red where the head helps.

    Args:
        head_scores: the `head_scores` rows of one group.
        tasks: in the order of the panels, main first.
        baseline_floor: a task with lower baseline accuracy is marked: where nothing works, nothing can drop.
        method: of the view that is shown first; the first of the table where this is not given or not there.
        outcome: the same.

    Views: method (where there are several), outcome, seed, step. The colour range is symmetric about 0, and the same
    for all seeds, steps and tasks of an outcome.
    """
    choices = _choices(head_scores, method, outcome)
    n_layers, n_heads = int(head_scores["layer"].max()) + 1, int(head_scores["head"].max()) + 1
    height, margin = int(np.clip(38 * n_layers, 110, max(420, 12 * n_layers))), (46, 70, 40, 44)
    # A head is at least 15 pixels wide on a page of 1,280.
    columns = 4 if n_heads <= 16 else 2 if n_heads <= 36 else 1
    wide = Arrangement(columns=columns, height=height, row_gap=96, margin=margin, column_gap=0.05)
    narrow = Arrangement(columns=1, height=height, row_gap=92, margin=margin)
    figure = go.Figure(layout=panel_layout(len(tasks), wide, narrow, coloraxis={"colorscale": SIGNED}))
    for index in range(len(tasks)):
        figure.add_trace(_heatmap(index, n_layers, n_heads))
    figure.update_xaxes(title_text="head", dtick=1 if n_heads <= 16 else None, showgrid=False)
    figure.update_yaxes(dtick=1 if n_layers <= 16 else None, showgrid=False)
    figure.update_layout(yaxis={"title": {"text": "layer"}})

    maps = _maps(head_scores, [entry.name for entry in choices], (n_layers, n_heads))
    limits = _limits(head_scores, [entry.name for entry in choices])
    views: dict[Key, View] = {}
    place = [entry.name for entry in choices].index("outcome")
    for key in keys(choices):
        found = [maps.get((*key, task)) for task in tasks]
        solved = [maps.get((*key[:place], "exact_match", *key[place + 1 :], task)) for task in tasks]
        is_dead = [entry is not None and entry.baseline < baseline_floor for entry in solved]
        titles = [_title(*entry) for entry in zip(tasks, found, is_dead, strict=True)]
        limit = limits.get(key[: len(key) - 2], 1.0)
        layout = {"annotations": panel_titles(titles), "coloraxis": {"cmin": -limit, "cmax": limit}}
        views[key] = View([{"type": "heatmap", "z": entry.grid if entry else []} for entry in found], layout)
    return add_views(figure, choices, views)


@dataclass(frozen=True)
class _Map:
    """The effects on one task in one view."""

    grid: list[list[float | None]]
    """By layer and head, rounded."""
    length: int
    baseline: float


def _maps(head_scores: pd.DataFrame, fields: list[str], shape: tuple[int, int]) -> dict[Key, _Map]:
    """Every map by view and task, in one pass: filtering the table for each of thousands of views would be slow."""
    keyed = zip(*(head_scores[name].astype(str).tolist() for name in [*fields, "task"]), strict=True)
    rows = head_scores[["layer", "head", "length", "baseline"]].itertuples(index=False, name=None)
    n_layers, n_heads = shape
    found: dict[Key, _Map] = {}
    for key, row, effect in zip(keyed, rows, rounded(head_scores["effect"], 3), strict=True):
        layer, head, *rest = row
        if key not in found:
            found[key] = _Map([[None] * n_heads for _ in range(n_layers)], *rest)
        found[key].grid[layer][head] = effect
    return found


def _limits(head_scores: pd.DataFrame, fields: list[str]) -> dict[Key, float]:
    """The largest effect of each method (if chosen) and outcome, where the colour range ends; never 0."""
    units = [head_scores[name].astype(str) for name in fields if name in ("method", "outcome")]
    largest = head_scores["effect"].abs().groupby(units).max()
    names = [key if isinstance(key, tuple) else (key,) for key in largest.index]
    limits = [float(f"{value:.4g}") if np.isfinite(value) and value > 0 else 1.0 for value in largest]
    return dict(zip(names, limits, strict=True))


def _choices(rows: pd.DataFrame, method: str | None, outcome: str | None) -> list[Choice]:
    methods = rows["method"].unique().tolist()
    outcomes = sorted(rows["outcome"].unique(), key=lambda name: name != "exact_match")
    choices = [choice("method", methods, start=method if method in methods else None)] if len(methods) > 1 else []
    choices.append(choice("outcome", outcomes, start=outcome if outcome in outcomes else None))
    choices.append(choice("seed", sorted(rows["seed"].unique())))
    return [*choices, choice("step", sorted(rows["step"].unique()), last=True)]


def _title(task: str, entry: _Map | None, is_dead: bool) -> str:
    if entry is None:
        return subtitled(escaped(task), "not measured")
    dead = ", below the floor" if is_dead else ""
    where = f"at length {entry.length}" if entry.length else "over all prompts"
    return subtitled(escaped(task), f"baseline {entry.baseline:z.2f} {where}{dead}")


def _heatmap(index: int, n_layers: int, n_heads: int) -> go.Heatmap:
    numbers = n_layers * n_heads <= MAX_CELLS_WITH_NUMBERS and n_heads <= 8
    return go.Heatmap(
        x=list(range(n_heads)),
        y=list(range(n_layers)),
        z=[],
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
        hoverongaps=False,
        hovertemplate="head %{y}.%{x}: %{z:.3g}<extra></extra>",
        texttemplate="%{z:.2~f}" if numbers else None,
        **panel_axes(index),
    )
