"""Heat maps as SVG, written by hand: they need no browser and no drawing library, and stay sharp at any size.

What is drawn has a white ground of its own, so that it reads the same on a dark page.
"""

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate

import numpy as np
from jaxtyping import Float, UInt8

from headreuse.records.colours import INK, MUTED, as_hex, ink_on, share_colours, signed_colours

LETTER = 6.6
"""About the width of a letter, in pixels, at the size of the text."""
MOST_NUMBERED = 16
"""Columns of a map whose cells have their numbers written into them; of larger ones the pointer shows them."""
BAR = 21
"""Steps of a colour bar."""


@dataclass(frozen=True)
class Map:
    """One panel: a matrix whose cells have names."""

    title: str
    values: Float[np.ndarray, "row column"]
    rows: Sequence[str]
    columns: Sequence[str]
    is_share: bool = False
    """Whether values are shares from 0 to 1; else they are signed, and colours are even about 0."""

    @property
    def limit(self) -> float:
        """The largest size of a value; 0 where none is known."""
        known = np.abs(self.values[np.isfinite(self.values)])
        return float(known.max()) if known.size else 0.0

    @property
    def colours(self) -> UInt8[np.ndarray, "row column rgb"]:
        """A colour for each cell."""
        return share_colours(self.values) if self.is_share else signed_colours(self.values, self.limit)

    def written(self, value: float) -> str:
        """A number as short as the map's largest allows; a dash where there is none."""
        if not np.isfinite(value):
            return "–"
        order = np.floor(np.log10(self.limit)) if self.limit else 0.0
        digits = int(np.clip(2 - max(order, 0) - min(order + 1, 0), 0, 6))
        return f"{value:.{digits}f}".replace("-", "−") if round(value, digits) else "0"


def maps_as_svg(title: str, panels: Sequence[Map], notes: Sequence[str]) -> str:
    """The panels side by side, each with its colour bar, below a title and above lines of notes."""
    drawn = [_panel(panel) for panel in panels]
    return framed(title, drawn, notes)


def framed(title: str, drawn: Sequence[tuple[str, float, float]], notes: Sequence[str], *, gap: int = 28) -> str:
    """Finished parts `(svg, width, height)` side by side, below a title and above lines of notes."""
    lefts = [0.0, *accumulate(width + gap for _, width, _ in drawn)]
    height = max(height for _, _, height in drawn)
    width = max(lefts[-1] - gap, *(LETTER * len(line) for line in (title, *notes))) + 24
    parts = [
        f'<g transform="translate({left + 12:g} 34)">{part}</g>'
        for left, (part, _, _) in zip(lefts, drawn, strict=False)
    ]
    lines = [text(12, 34 + height + 18 * (place + 1), line, colour=MUTED) for place, line in enumerate(notes)]
    total = 34 + height + 18 * len(notes) + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {total:g}" width="{width:g}" '
        f'height="{total:g}" role="img" aria-label="{escape(title)}" '
        'style="max-width:100%;height:auto" font-family="system-ui, sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{text(12, 20, title, weight="600")}'
        f"{''.join(parts)}{''.join(lines)}</svg>"
    )


def text(
    x: float, y: float, content: str, *, colour: str = INK, anchor: str = "start", weight: str = "", size: int = 0
) -> str:
    """A line of text, escaped; `anchor` says which end of it stands at `x`."""
    usual = {"text-anchor": "start", "font-weight": "", "font-size": 0}
    given = dict(zip(usual, (anchor, weight, size), strict=True))
    more = "".join(f' {name}="{value}"' for name, value in given.items() if value != usual[name])
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}"{more}>{escape(content)}</text>'


def image(
    pixels: UInt8[np.ndarray, "row column rgb"], x: float, y: float, width: float, height: float, name: str
) -> str:
    """A picture of these pixels, each at least as large as one of the screen's, without smoothing between them."""
    times = max(1, int(np.ceil(width / pixels.shape[1])))
    source = base64.b64encode(png(np.repeat(np.repeat(pixels, times, axis=0), times, axis=1))).decode()
    return (
        f'<image x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" preserveAspectRatio="none" '
        f'href="data:image/png;base64,{source}"><title>{escape(name)}</title></image>'
    )


def png(pixels: UInt8[np.ndarray, "row column rgb"]) -> bytes:
    """A PNG file of these pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    # Before each row of pixels stands how it is predicted from others: 0 for not at all.
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1).tobytes()
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _panel(panel: Map) -> tuple[str, float, float]:
    """A map with its axes and its colour bar, its width and its height."""
    n_rows, n_columns = panel.values.shape
    has_numbers = n_columns <= MOST_NUMBERED
    wide, high = (46, 26) if has_numbers else (14, 14)
    left = LETTER * max(map(len, panel.rows)) + 8
    top = 40
    parts = [text(left, 12, panel.title, weight="600")]
    for at in _labelled(panel.columns, wide):
        parts.append(text(left + (at + 0.5) * wide, top - 6, panel.columns[at], anchor="middle"))
    for at in range(0, n_rows, 1 if has_numbers else 2):
        parts.append(text(left - 6, top + (at + 0.5) * high + 4, panel.rows[at], anchor="end"))
    colours = panel.colours
    for (row, column), value in np.ndenumerate(panel.values):
        colour, number = colours[row, column], panel.written(value)
        x, y = left + column * wide, top + row * high
        name = escape(f"{panel.rows[row]}, {panel.columns[column]}: {number}")
        parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{wide - 1}" height="{high - 1}" fill="{as_hex(colour)}">'
            f"<title>{name}</title></rect>"
        )
        if has_numbers:
            parts.append(text(x + wide / 2, y + 17, number, colour=ink_on(colour), anchor="middle", size=11))
    bottom = top + n_rows * high + 10
    parts.append(_bar(panel, left, bottom, max(n_columns * wide, 126)))
    width = max(left + max(n_columns * wide, 126), left + 7.2 * len(panel.title))
    return "".join(parts), width, bottom + 26


def _labelled(names: Sequence[str], room: float) -> range:
    """The places of names that are written: all, or every second, fourth, … where there is no room for all."""
    every = 1
    while LETTER * max(map(len, names)) > room * every - 2 and every < len(names):
        every *= 2
    return range(0, len(names), every)


def _bar(panel: Map, left: float, top: float, width: float) -> str:
    """The colours from the lowest to the highest value, with the numbers at their ends."""
    if not panel.is_share and not panel.limit:
        return text(left, top + 20, "0 everywhere", colour=MUTED, size=11)
    ends = (0.0, 1.0) if panel.is_share else (-panel.limit, panel.limit)
    places = np.linspace(*ends, BAR)
    colours = share_colours(places) if panel.is_share else signed_colours(places, panel.limit)
    step = width / BAR
    boxes = "".join(
        f'<rect x="{left + at * step:.1f}" y="{top:g}" width="{step + 0.5:.1f}" height="8" fill="{as_hex(colour)}"/>'
        for at, colour in enumerate(colours)
    )
    numbers = [panel.written(end) for end in (ends[0], sum(ends) / 2, ends[1])]
    anchors = ("start", "middle", "end")
    return boxes + "".join(
        text(left + at * width, top + 21, number, colour=MUTED, anchor=anchor, size=11)
        for at, number, anchor in zip((0, 0.5, 1), numbers, anchors, strict=True)
    )
