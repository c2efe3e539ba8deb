"""How soon does each seed learn? Levels of accuracy over the steps at which they are first reached, a line per seed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.seeds import run_name, seed_line
from headreuse.figures.style import MUTED, escaped, rounded


def learning_clocks(clocks: pd.DataFrame) -> go.Figure:
    """A panel for each group and role, and a line for each seed; steps are on a log axis that all panels share.

    Args:
        clocks: rows of the `clocks` table, of any number of groups.
    """
    panels = list(dict.fromkeys(clocks[["group", "role"]].itertuples(index=False, name=None)))
    seeds = sorted(clocks["seed"].unique())
    legend = [run_name(seed) for seed in seeds]
    titles = [f"{escaped(group)} <span style='color:{MUTED}'>{role}</span>" for group, role in panels]
    figure = go.Figure(layout=_layout(titles, legend))
    by_line = dict(list(clocks.groupby(["group", "role", "seed"])))
    for index, panel in enumerate(panels):
        for seed in seeds:
            rows = by_line.get((*panel, seed), clocks.iloc[:0]).dropna(subset="step")
            points: dict[str, Any] = {"x": rounded(rows["step"]), "y": rows["level"].tolist()}
            more: dict[str, Any] = {"showlegend": index == 0, "hovertemplate": "accuracy %{y} at step %{x:.0f}"}
            figure.add_trace(seed_line(seed, seeds, **points, **more, **panel_axes(index)))
    span = _range(clocks["step"])
    figure.update_xaxes(type="log", tickvals=_ticks(*span), tickangle=0, range=span, title_text="training step")
    figure.update_yaxes(range=[0, 1])
    figure.update_layout(yaxis={"title": {"text": "accuracy"}})
    return figure


def _layout(titles: Sequence[str], legend: Sequence[str]) -> go.Layout:
    wide = Arrangement(columns=2 if len(titles) <= 4 else 4, height=200)
    narrow = Arrangement(columns=1, height=150)
    return panel_layout(len(titles), wide, narrow, legend=legend, annotations=panel_titles(titles))


def _range(steps: pd.Series) -> list[float]:
    """In powers of ten, with a margin."""
    known = np.log10(np.maximum(steps.dropna().to_numpy(float), 1))
    if not known.size:
        return [0.0, 1.0]
    return [round(float(known.min()) - 0.05, 3), round(float(known.max()) + 0.05, 3)]


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten in a range that is given in powers of ten; 1, 1.5, 2, 3, 5, 7 in a short one."""
    for digits in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
        ticks = [digit * 10.0**power for power in powers for digit in digits if low <= np.log10(digit) + power <= high]
        if len(ticks) >= 2:
            break
    return ticks
