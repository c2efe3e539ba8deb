"""Colours and markers: each seed has its own; a hollow marker stands for a value that is not usable."""

from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import Any

import plotly.graph_objects as go

from headreuse.figures.style import MUTED, SAFE, escaped

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "star", "cross", "hexagon")
"""Each has an `-open` form."""


def run_name(label: object) -> str:
    """What a run is called, escaped: `seed 0`, or its name where it has one."""
    text = str(label)
    return f"seed {text}" if text.isdigit() else escaped(text)


def seed_colours(seeds: Iterable[int]) -> dict[int, str]:
    """A colour for each seed, in order of first mention."""
    return dict(zip(dict.fromkeys(seeds), cycle(SAFE), strict=False))


def seed_symbols(seeds: Iterable[int]) -> dict[int, str]:
    """A marker for each seed, in order of first mention."""
    return dict(zip(dict.fromkeys(seeds), cycle(SYMBOLS), strict=False))


def usable_symbols(usable: Iterable[bool], symbol: str) -> list[str]:
    """A filled marker for each usable point and a hollow one for the others."""
    return [symbol if flag else f"{symbol}-open" for flag in usable]


def seed_line(seed: int, seeds: Sequence[int], *, dash: str = "solid", **more: Any) -> go.Scatter:
    """A line with markers in the seed's colour; `more` goes to plotly."""
    colour, symbol = seed_colours(seeds)[seed], seed_symbols(seeds)[seed]
    return go.Scatter(
        {
            "mode": "lines+markers",
            "name": run_name(seed),
            "line": {"color": colour, "width": 1.8, "dash": dash},
            "marker": {"symbol": symbol, "size": 7, "color": colour, "line": {"color": colour, "width": 1.2}},
            "legendgroup": run_name(seed),
            **more,
        }
    )


def legend_entry(name: str, **more: Any) -> go.Scatter:
    """An entry of the legend that has no points in the figure."""
    return go.Scatter(x=[None], y=[None], name=name, **more)


def unusable_entry() -> go.Scatter:
    """The entry that says what hollow markers are."""
    marker = {"symbol": "circle-open", "size": 8, "color": MUTED, "line": {"width": 1.3}}
    return legend_entry("not usable", mode="markers", marker=marker)
