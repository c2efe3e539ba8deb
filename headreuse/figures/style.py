"""What all figures share: colours that everybody can tell apart, one theme, safe labels, short numbers."""

import html
from collections.abc import Iterable
from itertools import cycle
from typing import Any

import numpy as np
import plotly.graph_objects as go

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""For tasks. Okabe and Ito (2008), safe for colour-blind readers, without the yellow, which is too pale on white."""
SAFE = ("#332288", "#CC6677", "#117733", "#88CCEE", "#AA4499", "#999933", "#882255", "#44AA99")
"""For seeds, so that no seed looks like a task. Tol's muted colours without the palest."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")

SIGNED, FRACTION = "RdBu_r", "Viridis"
"""Colour scales of values around 0 and of values from 0 to 1."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK, MUTED, GRID = "#1f2933", "#52606d", "#e4e7eb"
_AXIS = {"gridcolor": GRID, "linecolor": MUTED, "ticks": "outside", "tickcolor": MUTED, "ticklen": 3, "zeroline": False}
THEME = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "xaxis": _AXIS | {"showline": True, "title": {"standoff": 6}},
        "yaxis": _AXIS | {"showline": True, "title": {"standoff": 6}},
        "hoverlabel": {"font": {"family": FONT}, "namelength": -1},
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "yref": "container",
            "tracegroupgap": 0,
        },
        "coloraxis": {
            "colorbar": {"thickness": 12, "len": 170, "lenmode": "pixels", "y": 1, "yanchor": "top", "x": 1.01}
        },
    }
)


def task_colours(tasks: Iterable[str]) -> dict[str, str]:
    """A colour for each task, in order of first mention; give all tasks of a study so that all its figures agree."""
    return dict(zip(dict.fromkeys(tasks), cycle(OKABE_ITO), strict=False))


def escaped(text: object) -> str:
    """Text that plotly shows as it is: it would read `<b>` or `<a href=…>` in a name as markup."""
    return html.escape(str(text), quote=False)


def wrapped(name: str) -> str:
    """An escaped name, on two lines if it is long and has an underscore."""
    head, mark, tail = name.partition("_")
    return f"{escaped(head + mark)}<br>{escaped(tail)}" if mark and len(name) > 9 else escaped(name)


def subtitled(name: str, note: str) -> str:
    """An escaped name with a smaller line below it."""
    return f"{name}<br><span style='color:{MUTED};font-size:11px'>{escaped(note)}</span>"


def rounded(values: Any, digits: int = 4) -> list[float | None]:
    """The values with few significant digits, which keeps a page small; None (a hole) where not finite."""
    numbers = np.asarray(values, dtype=float).ravel()
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in numbers]


def rounded_rows(values: Any, digits: int = 4) -> list[list[float | None]]:
    """`rounded` for each row of a matrix."""
    return [rounded(row, digits) for row in values]


def tinted(colour: str, alpha: float) -> str:
    """The colour `#rrggbb` at that opacity."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
