"""What all figures share: colours that everybody can tell apart, one theme, safe labels, short numbers."""

import html
from collections.abc import Iterable
from itertools import cycle
from typing import Any

import numpy as np
import plotly.graph_objects as go

from headreuse.records.colours import INK, MUTED

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""For tasks. Okabe and Ito (2008), safe for colour-blind readers, without the yellow, which is too pale on white."""
SAFE = ("#332288", "#CC6677", "#117733", "#88CCEE", "#AA4499", "#999933", "#882255", "#44AA99")
"""For seeds, so that no seed looks like a task. Tol's muted colours without the palest."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")

SIGNED, FRACTION = "RdBu_r", "Viridis"
"""Colour scales of values around 0 and of values from 0 to 1."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
GRID, PAPER = "#e4e7eb", "#ffffff"
_AXIS = {"gridcolor": GRID, "linecolor": MUTED, "ticks": "outside", "tickcolor": MUTED, "ticklen": 3, "zeroline": False}
THEME = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
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


_ON_DARK = {
    INK: "#e6eaee", MUTED: "#a3b0bd", GRID: "#2b333c", PAPER: "#12161b",
    "#0072B2": "#4aa8e0", "#D55E00": "#f0803c", "#009E73": "#2fc79b", "#CC79A7": "#e09cc3", "#000000": "#dfe4ea",
    "#332288": "#9a8cf0", "#CC6677": "#e5899a", "#117733": "#4fb878", "#AA4499": "#d47cc5", "#999933": "#c2c257",
    "#882255": "#d9668f", "#004488": "#5b9bd8", "#997700": "#d1aa2f", "#994455": "#d97a8c",
    "#225555": "#6fb8b8", "#A0522D": "#d08a63", "#7030A0": "#b98ae0",
}  # fmt: skip
"""What a colour that is hard to see on a dark page is there; all others can be seen on both."""


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
    if numbers.size < _MANY:
        return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in numbers]
    is_known = np.isfinite(numbers)
    known = np.where(is_known & (numbers != 0), numbers, 1.0)
    # Whole numbers divided or multiplied by an exact power of ten: the double nearest to the short decimal.
    shift = digits - 1 - np.floor(np.log10(np.abs(known)))
    up, down = 10.0 ** np.clip(shift, 0, 22), 10.0 ** np.clip(-shift, 0, 22)
    short = np.where(numbers == 0, 0.0, np.round(known * up / down) / up * down)
    return [value if known else None for value, known in zip(short.tolist(), is_known.tolist(), strict=True)]


def rounded_rows(values: Any, digits: int = 4) -> list[list[float | None]]:
    """`rounded` for each row of a matrix."""
    grid = np.asarray(values, dtype=float)
    flat, width = rounded(grid, digits), grid.shape[1]
    return [flat[start : start + width] for start in range(0, len(flat), width)] if width else [[] for _ in grid]


_MANY = 24
"""From so many numbers on arrays are faster than formatting each."""


def tinted(colour: str, alpha: float) -> str:
    """The colour `#rrggbb` at that opacity."""
    return f"rgba({_red_green_blue(colour)},{alpha})"


def _red_green_blue(colour: str) -> str:
    return ",".join(str(int(colour[start : start + 2], 16)) for start in (1, 3, 5))


DARK = [
    pair
    for light, dark in _ON_DARK.items()
    for pair in ((light, dark), (f"rgba({_red_green_blue(light)},", f"rgba({_red_green_blue(dark)},"))
]
"""Each text that stands for a colour in a figure, with its text on a dark page."""
