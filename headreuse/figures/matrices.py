"""Do two tasks need the same heads? Task × task overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float

from headreuse.figures.measures import measures, similarities, with_measure
from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.seeds import run_name
from headreuse.figures.style import FRACTION, rounded_rows, wrapped
from headreuse.figures.views import Key, View, add_views, choice, keys


def overlap_matrices(overlap: pd.DataFrame, *, tasks: Sequence[str], measure: str = "") -> go.Figure:
    """Overlap between each two tasks of one group, a panel per seed, with chance and ceiling on the colour bar.

    Views: measure (only similarities, which are larger the more alike two tasks are), step. Colours run from 0 to 1; a
    cell also shows its number. A hollow ○ marks a value that is not usable. The ceiling is what two maps of the same
    true effects would show with this sampling noise (`noise_ceiling` of the table, from split halves), where known.
    """
    alike = with_measure(similarities(overlap))
    seeds = sorted(alike["seed"].unique())
    of_last = set(alike.loc[alike["step"].eq(alike["step"].max()) & alike["value"].notna(), "measure"])
    start = measure if measure in of_last else _first_defined(alike)
    choices = [
        choice("measure", measures(alike), start=start),
        choice("step", sorted(alike["step"].unique()), last=True),
    ]
    cells = _cells(alike)
    figure = go.Figure(layout=_layout(seeds, len(tasks)))
    for index in range(len(seeds)):
        figure.add_trace(_heatmap(index, tasks))
    places = {"type": "category", "categoryarray": [wrapped(task) for task in tasks]}
    edges = [-0.5, len(tasks) - 0.5]
    figure.update_yaxes(range=edges[::-1], showgrid=False, **places)
    figure.update_xaxes(range=edges, showgrid=False, tickangle=-50, **places)
    views: dict[Key, View] = {}
    for key in keys(choices):
        views[key] = _view([cells.get((*key, str(seed)), {}) for seed in seeds], tasks)
    return add_views(figure, choices, views)


def _first_defined(alike: pd.DataFrame) -> str | None:
    """The first measure that has a value for every pair at every seed's last checkpoint; None where none has."""
    last = alike[alike["step"] == alike["step"].max()]
    defined = last["value"].notna().groupby(last["measure"]).all()
    return next((name for name in measures(alike) if defined.get(name, False)), None)


def _layout(seeds: Sequence[int], n_tasks: int) -> go.Layout:
    """One panel per seed; only the first panel of a row has task names at its side."""
    n_columns, height = min(3, len(seeds)), 56 * n_tasks + 20
    inner = [f"yaxis{index + 1}.showticklabels" for index in range(len(seeds)) if index % n_columns]
    place: dict[str, Any] = {"height": height, "row_gap": 110, "margin": (82, 100, 30, 78)}
    wide = Arrangement(columns=n_columns, more=dict.fromkeys(inner, False), **place)
    narrow = Arrangement(columns=1, more=dict.fromkeys(inner, True), **place)
    scale = {"colorscale": FRACTION, "cmin": 0, "cmax": 1}
    titles = panel_titles([run_name(seed) for seed in seeds])
    return panel_layout(len(seeds), wide, narrow, coloraxis=scale, annotations=titles)


def _heatmap(index: int, tasks: Sequence[str]) -> go.Heatmap:
    names = [wrapped(task) for task in tasks]
    return go.Heatmap(
        x=names,
        y=names,
        z=[],
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
        texttemplate="%{text}",
        hoverongaps=False,
        hovertemplate="%{y} with %{x}: %{z:.3g}<br>chance %{customdata[0]:.2g}, ceiling %{customdata[1]:.2g}"
        "<extra></extra>",
        **panel_axes(index),
    )


MARKS = {"chance": "chance", "ceiling": "noise_ceiling"}
"""What is marked on the colour bar, and the columns that hold it."""
_CLOSE = 0.09
"""The texts of two ticks overlap where the ticks are closer than this."""


@dataclass(frozen=True)
class _Cell:
    value: float | None
    marks: Sequence[float | None]
    """Those of `MARKS`; None where not known."""
    text: str


_NO_CELL = _Cell(None, (None,) * len(MARKS), "")
_Cells = dict[tuple[str, str], _Cell]
"""By the two tasks."""


def _cells(overlap: pd.DataFrame) -> dict[Key, _Cells]:
    """Every cell by measure, step and seed, in one pass: filtering for each of thousands of views would be slow."""
    keyed = zip(*(overlap[name].astype(str).tolist() for name in ("measure", "step", "seed")), strict=True)
    overlap = overlap.assign(**{name: np.nan for name in MARKS.values() if name not in overlap})
    rows = overlap[["task_a", "task_b", "usable", "value"]].itertuples(index=False, name=None)
    shown = rounded_rows(overlap[["value", *MARKS.values()]])
    found: dict[Key, _Cells] = {}
    for key, (task_a, task_b, usable, exact), (value, *marks) in zip(keyed, rows, shown, strict=True):
        text = "" if value is None else f"{exact:.2f}{'' if usable else ' ○'}"
        found.setdefault(key, {})[task_a, task_b] = _Cell(value, marks, text)
    return found


def _view(panels: Sequence[_Cells], tasks: Sequence[str]) -> View:
    """One view. A pair has the same value in both directions, unless a directed metric has a row for each."""
    traces: list[dict[str, Any]] = []
    marks: list[Sequence[float | None]] = []
    for cells in panels:
        found = [[cells.get((a, b)) or cells.get((b, a)) or _NO_CELL for b in tasks] for a in tasks]
        trace: dict[str, Any] = {"z": [[cell.value for cell in row] for row in found]}
        trace["text"] = [[cell.text for cell in row] for row in found]
        trace["customdata"] = [[cell.marks for cell in row] for row in found]
        traces.append({"type": "heatmap", **trace})
        marks += [cell.marks for row in found for cell in row]
    return View(traces, {"coloraxis": {"colorbar": _ticks(np.array(marks, dtype=float))}})


def _ticks(marks: Float[np.ndarray, "cell mark"]) -> dict[str, Any]:
    """Ticks of a colour bar from 0 to 1, with the mean of each mark among them."""
    means = {name: float(np.mean(held)) for name, column in zip(MARKS, marks.T, strict=True)
             if len(held := column[np.isfinite(column)])}  # fmt: skip
    marked = {round(mean, 3): f"{name} {mean:.2f}" for name, mean in means.items()}
    if len(means) > 1 and np.ptp(list(means.values())) < _CLOSE:
        marked = {round(float(np.mean(list(means.values()))), 3): "<br>".join(marked.values())}
    ticks = {0.0: "0", 0.25: "0.25", 0.5: "0.5", 0.75: "0.75", 1.0: "1"}
    ticks = {at: text for at, text in ticks.items() if all(abs(at - mean) > _CLOSE for mean in marked)} | marked
    return {"tickvals": sorted(ticks), "ticktext": [ticks[at] for at in sorted(ticks)]}
