"""How alike are the seeds of a group? Gap, transfer and overlap over training: the median seed with a band."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.correlation import PLACE
from headreuse.figures.measures import in_words, measures
from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.rows import KIND_COLOURS
from headreuse.figures.steps import STEPS, StepAxis
from headreuse.figures.style import rounded, tinted
from headreuse.figures.views import Key, View, add_views, choice, keys
from headreuse.tables.seeds import over_seeds

BANDS = {"range of seeds": ("low", "high"), "interval of their median": ("ci_low", "ci_high")}
"""What a band can show, and the columns of `over_seeds` that hold its edges."""


def seed_bands(points: pd.DataFrame, *, kind: str, axis: StepAxis = STEPS) -> go.Figure:
    """Every measure of transfer, and overlap, over the steps of one group: median over runs, with a band.

    Args:
        points: what `overlap_points` returns, of one group.
        kind: `related` or `control`; it sets the colour.
        axis: of training.

    Views: measure, band; the interval of the median where 5 seeds give one. Overlap that is not usable is left out, so
    that its median may be over fewer seeds.
    """
    medians = {str(name): medians_over_seeds(rows) for name, rows in points.groupby("measure", sort=False)}
    bands = [name for name, (low, _) in BANDS.items() if any(found[low].notna().any() for found in medians.values())]
    choices = [choice("measure", measures(points)), choice("band", bands)]
    panels = panels_of(points)
    wide, narrow = Arrangement(columns=3, height=210, column_gap=0.06), Arrangement(columns=1, height=170)
    titles = panel_titles([in_words(name) for name in panels])
    figure = go.Figure(layout=panel_layout(len(panels), wide, narrow, annotations=titles))
    for panel in range(len(panels)):
        figure.add_traces(list(_empty(panel, KIND_COLOURS[kind], axis)))
    figure.update_xaxes(**axis.layout)
    named = dict(zip(points["measure"], points["metric"], strict=True))
    views: dict[Key, View] = {}
    for measure, band in keys(choices):
        views[measure, band] = View(
            [change for name in panels for change in _changes(medians[measure], name, BANDS[band], axis)],
            {f"yaxis{len(panels)}": {"title": {"text": in_words(named[measure])}}},
        )
    return add_views(figure, choices, views)


def medians_over_seeds(points: pd.DataFrame) -> pd.DataFrame:
    """Median and bands over runs of transfer and usable overlap at each step: see `over_seeds`."""
    usable = points.assign(overlap=points["overlap"].where(points["usable"].astype(bool)))
    return over_seeds(usable, by=["group", "step"], values=panels_of(points))


def panels_of(points: pd.DataFrame) -> list[str]:
    """The measures of transfer, then overlap."""
    return [*(str(name) for name in points if name not in PLACE), "overlap"]


def _empty(panel: int, colour: str, axis: StepAxis) -> Iterator[go.Scatter]:
    """Lower edge, upper edge with the band below it, and the line."""
    edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    yield go.Scatter(edge, **panel_axes(panel))
    yield go.Scatter(edge, fill="tonexty", fillcolor=tinted(colour, 0.18), **panel_axes(panel))
    yield go.Scatter(
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"size": 5},
        showlegend=False,
        hovertemplate=f"{axis.hover}: %{{y:.3g}} (%{{customdata[0]}} runs, %{{customdata[1]:.3g}} to "
        "%{customdata[2]:.3g})<extra></extra>",
        **panel_axes(panel),
    )


def _changes(medians: pd.DataFrame, measure: str, edges: tuple[str, str], axis: StepAxis) -> list[dict[str, Any]]:
    """The line has a point wherever any seed has a value, the band only where it is defined."""
    rows = medians[(medians["measure"] == measure) & medians["median"].notna()].sort_values("step")
    low, high = (rounded(rows[edge].where(rows[edge].notna(), rows["median"])) for edge in edges)
    hover = zip(rows["n_seeds"].tolist(), *(rounded(rows[edge]) for edge in edges), strict=True)
    x = {"type": "scatter", "x": axis.places(rows["step"])}
    return [
        x | {"y": low},
        x | {"y": high},
        x | {"y": rounded(rows["median"]), "customdata": [list(row) for row in hover]},
    ]
