"""Does it matter which heads the tasks may use, or what a model is trained beside? Each seed across the arms."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.seeds import legend_entry, run_name
from headreuse.figures.style import INK, MUTED, escaped, rounded, tinted

MEDIAN = "median over seeds"
ONE_SEED = "one seed"


def arms_by_seed(values: pd.DataFrame, *, axis_title: str = "accuracy") -> go.Figure:
    """A panel for each family of groups; across it the arms, up the value of each seed, from 0 to 1.

    Args:
        values: columns family, arm, seed, value, is_twin; the order of first mention is kept. A line joins those arms
            of a seed that are twins, which start from the same weights.
        axis_title: what a value is.
    """
    families = list(dict.fromkeys(values["family"]))
    margin = (52, 14, 34, 44)
    wide = Arrangement(columns=min(3, len(families)), height=300, margin=margin, column_gap=0.06)
    narrow = Arrangement(columns=1, height=260, margin=margin)
    legend = [
        legend_entry(ONE_SEED, mode="lines+markers", line={"color": tinted(MUTED, 0.5)}, marker={"color": MUTED}),
        legend_entry(MEDIAN, mode="markers", marker=_bar()),
    ]
    names = [ONE_SEED, MEDIAN]
    layout = panel_layout(
        len(families), wide, narrow, legend=names, annotations=panel_titles([escaped(name) for name in families])
    )
    figure = go.Figure(legend, layout)
    for panel, family in enumerate(families):
        rows = values[values["family"] == family]
        figure.add_traces(_panel(rows, panel))
        # Said outright, since the axis would take its kind from the legend's entries, which have no points.
        places = {"type": "category", "categoryarray": [escaped(arm) for arm in dict.fromkeys(rows["arm"])]}
        figure.update_layout({panel_axes(panel)["xaxis"].replace("x", "xaxis"): places})
    figure.update_yaxes(range=[-0.04, 1.04], dtick=0.25)
    figure.update_layout(yaxis={"title": {"text": axis_title}})
    return figure


def _panel(rows: pd.DataFrame, panel: int) -> list[go.Scatter]:
    arms = list(dict.fromkeys(rows["arm"]))
    shown = [_seed(of_seed, arms, panel) for _, of_seed in rows.groupby(["seed", "is_twin"], sort=False)]
    medians = [float(np.median(rows.loc[rows["arm"] == arm, "value"])) for arm in arms]
    return [*shown, _medians(arms, medians, panel)]


def _seed(rows: pd.DataFrame, arms: Sequence[str], panel: int) -> go.Scatter:
    by_arm = rows.set_index("arm")["value"].reindex(list(arms))
    is_twin = bool(rows["is_twin"].all())
    return go.Scatter(
        x=list(map(escaped, arms)),
        y=rounded(by_arm),
        mode="lines+markers" if is_twin else "markers",
        connectgaps=True,
        line={"color": tinted(MUTED, 0.5), "width": 1.3},
        marker={"color": MUTED, "size": 6},
        showlegend=False,
        name=run_name(rows["seed"].iloc[0]),
        hovertemplate="%{x}: %{y:.2f}",
        **panel_axes(panel),
    )


def _medians(arms: Sequence[str], medians: Sequence[float], panel: int) -> go.Scatter:
    return go.Scatter(
        x=list(map(escaped, arms)),
        y=rounded(medians),
        mode="markers",
        marker=_bar(),
        showlegend=False,
        name=MEDIAN,
        hovertemplate="%{x}: %{y:.2f}",
        **panel_axes(panel),
    )


def _bar() -> dict[str, Any]:
    return {"symbol": "line-ew-open", "size": 30, "color": INK, "line": {"width": 3, "color": INK}}
