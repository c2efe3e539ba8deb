"""Which heads stand in for each other? Head × head maps of synergy, task by task."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float

from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.style import SIGNED, escaped, rounded_rows, subtitled
from headreuse.figures.views import Key, View, add_views, choice, keys

MAX_HEADS_WITH_NUMBERS = 8


def synergy_maps(synergy: pd.DataFrame, *, tasks: Sequence[str], outcome: str | None = None) -> go.Figure:
    """A panel for each task of one group with a cell for each two heads, red where they stand in for each other.

    Args:
        synergy: the `synergy` rows of one group.
        tasks: in the order of the panels, main first.
        outcome: of the view that is shown first; the first of the table where this is not given or not there.

    Views: outcome, seed. The colour range is symmetric about 0, and the same for all tasks and seeds of an outcome.
    """
    outcomes = synergy["outcome"].unique().tolist()
    choices = [choice("outcome", outcomes, start=outcome if outcome in outcomes else None)]
    choices.append(choice("seed", sorted(synergy["seed"].unique())))
    names = _heads(synergy)
    height = int(np.clip(26 * len(names), 150, 460))
    wide = Arrangement(columns=min(3, len(tasks)), height=height, row_gap=96, margin=(46, 70, 40, 44))
    narrow = Arrangement(columns=1, height=height, row_gap=92, margin=(46, 70, 40, 44))
    figure = go.Figure(layout=panel_layout(len(tasks), wide, narrow, coloraxis={"colorscale": SIGNED}))
    for index in range(len(tasks)):
        figure.add_trace(_heatmap(index, names))
    # As text: plotly would take 0.1 for a number.
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    views: dict[Key, View] = {key: _view(synergy, key, tasks, names) for key in keys(choices)}
    return add_views(figure, choices, views)


def _heads(synergy: pd.DataFrame) -> list[str]:
    """The names of all heads in order, for example `0.3`."""
    places = [synergy[[f"layer_{end}", f"head_{end}"]].set_axis(["layer", "head"], axis=1) for end in "ab"]
    both = pd.concat(places).drop_duplicates().sort_values(["layer", "head"])
    return [f"{layer}.{head}" for layer, head in both.itertuples(index=False, name=None)]


def _view(synergy: pd.DataFrame, key: Key, tasks: Sequence[str], names: list[str]) -> View:
    outcome, seed = key
    of_outcome = synergy[synergy["outcome"] == outcome]
    largest = float(of_outcome["synergy"].abs().max())
    limit = float(f"{largest:.4g}") if np.isfinite(largest) and largest > 0 else 1.0
    rows = of_outcome[of_outcome["seed"].astype(str) == seed]
    squares = [_square(rows[rows["task"] == task], names) for task in tasks]
    titles = [
        escaped(task) if np.isfinite(square).any() else subtitled(escaped(task), "not measured")
        for task, square in zip(tasks, squares, strict=True)
    ]
    layout = {"annotations": panel_titles(titles), "coloraxis": {"cmin": -limit, "cmax": limit}}
    return View([{"type": "heatmap", "z": rounded_rows(square, 3)} for square in squares], layout)


def _square(rows: pd.DataFrame, names: list[str]) -> Float[np.ndarray, "head_a head_b"]:
    square = np.full((len(names), len(names)), np.nan)
    place = {name: index for index, name in enumerate(names)}
    columns = rows[["layer_a", "head_a", "layer_b", "head_b", "synergy"]]
    for layer_a, head_a, layer_b, head_b, value in columns.itertuples(index=False, name=None):
        a, b = place[f"{layer_a}.{head_a}"], place[f"{layer_b}.{head_b}"]
        square[a, b] = square[b, a] = value
    return square


def _heatmap(index: int, names: list[str]) -> go.Heatmap:
    return go.Heatmap(
        x=names,
        y=names,
        z=[],
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
        hoverongaps=False,
        hovertemplate="heads %{y} and %{x}: %{z:.3g}<extra></extra>",
        texttemplate="%{z:.2~f}" if len(names) <= MAX_HEADS_WITH_NUMBERS else None,
        **panel_axes(index),
    )
