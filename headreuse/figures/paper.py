"""A figure as it goes into a paper: text of 7 to 8 points at the printed size, thin lines, panels that fit the width.

Layouts are in dots of 1/108 inch, as `report/printing.py` prints them: one point is 1.5 dots.
"""

import plotly.graph_objects as go

from headreuse.figures.fitted import DOTS, fit
from headreuse.figures.lettering import broken
from headreuse.figures.room import SMALL, TEXT
from headreuse.figures.style import GRID, INK, MUTED, THEME

FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
THINNER, SMALLER = 0.6, 0.65
"""Lines and markers of a page on the screen are that many times as large in a paper."""
THINNEST, SMALLEST = 0.75, 3.0
_TITLED = 13
"""Annotations of this size and larger are titles of panels."""
_AXIS = {
    "gridcolor": GRID,
    "gridwidth": 0.5,
    "linecolor": MUTED,
    "linewidth": 0.75,
    "showline": True,
    "ticks": "outside",
    "tickcolor": MUTED,
    "ticklen": 3,
    "tickwidth": 0.75,
    "tickfont": {"size": SMALL},
    "title": {"standoff": 4, "font": {"size": TEXT}},
    "zeroline": False,
}
STYLE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": TEXT, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "colorway": ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"],
        "xaxis": _AXIS,
        "yaxis": _AXIS | {"automargin": "width"},
        "legend": THEME.layout.legend.to_plotly_json() | {"font": {"size": SMALL}},
        "coloraxis": {"colorbar": THEME.layout.coloraxis.colorbar.to_plotly_json() | {"tickfont": {"size": SMALL}}},
        "title": {"font": {"size": TEXT}},
    }
)


def for_paper(figure: go.Figure, width: float, *, height: float | None = None, title: str = "") -> go.Figure:
    """A copy of a figure, as it is shown, laid out for a printed width.

    Args:
        figure: of this package, whose panels are arranged anew; any other keeps its arrangement.
        width: in inches.
        height: in inches; None for one that follows from the panels.
        title: written above; none where it is empty.

    Raises `HeadreuseError` where the panels do not fit, and says which width they take.
    """
    # Without its views, and without what a page needs of it.
    copy = go.Figure(figure.data, figure.layout)
    copy.update_layout(template=STYLE, width=width * DOTS)
    if title:
        text = broken(title, 0.96 * width * DOTS, TEXT)
        copy.update_layout(
            title={"text": text, "x": 0.01, "xanchor": "left", "y": 1, "yanchor": "top", "pad": {"t": 4}}
        )
    _thin(copy)
    fit(copy, width * DOTS, height * DOTS if height is not None else None)
    copy.layout.meta = None
    return copy


def _thin(figure: go.Figure) -> None:
    """Thinner lines, smaller markers and text in the sizes of a paper."""
    for number, trace in enumerate(figure.data):
        # Where nothing is said, plotly draws one at random, and no file is like another.
        trace.uid = f"trace-{number}"
    for trace in figure.select_traces({"type": "scatter"}):
        if trace.line.width != 0:
            trace.line.width = max(THINNEST, THINNER * (trace.line.width or 2))
        if isinstance(trace.marker.size, int | float | None):
            trace.marker.size = max(SMALLEST, SMALLER * (trace.marker.size or 6))
        if trace.marker.line.width:
            trace.marker.line.width = max(THINNEST, THINNER * trace.marker.line.width)
        if trace.error_y.thickness:
            trace.error_y.thickness = max(0.5, THINNER * trace.error_y.thickness)
        trace.textfont.size = SMALL
    for shape in figure.layout.shapes:
        shape.line.width = max(THINNEST, THINNER * (shape.line.width or 2))
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        if axis.zerolinewidth:
            axis.zerolinewidth = max(THINNEST, THINNER * axis.zerolinewidth)
    for note in figure.layout.annotations:
        note.font.size = TEXT if (note.font.size or TEXT) >= _TITLED - 1 else SMALL
