"""A figure as a file for a paper: PDF, SVG or PNG of a printed size, drawn by kaleido in a Chromium."""

import os
import re
import shutil
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from headreuse.errors import HeadreuseError, nearest
from headreuse.figures.fitted import DOTS
from headreuse.figures.paper import for_paper
from headreuse.figures.picked import with_panels
from headreuse.figures.views import with_view
from headreuse.store.writing import written_whole

FORMATS = ("pdf", "svg", "png")
PER_INCH = {"in": 1.0, "cm": 2.54, "mm": 25.4, "pt": 72.0, "px": 96.0}
LEAST, MOST = 1.0, 48.0
"""Inches of a width or a height."""
PRINTED_PIXELS = 300
"""Per inch, of a PNG whose size is given in anything but pixels."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
SECONDS = 90
"""For one figure."""


@dataclass(frozen=True)
class Size:
    """A printed length."""

    inches: float
    unit: str

    @classmethod
    def of(cls, text: str, what: str = "width") -> "Size":
        """From `3.25in`, `8cm`, `82mm`, `234pt` or `312px`; raises `HeadreuseError` for anything else."""
        found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\s*", text.lower())
        if not found or found[2] not in PER_INCH:
            units = ", ".join(PER_INCH)
            raise HeadreuseError(f"{what}: {text!r} is no length; give a number and one of {units}, such as 3.25in")
        inches = float(found[1]) / PER_INCH[found[2]]
        if not LEAST <= inches <= MOST:
            raise HeadreuseError(f"{what}: {text} is {inches:.3g}in; give {LEAST:g}in to {MOST:g}in")
        return cls(inches, found[2])


def save_figure(
    figure: go.Figure,
    file: str | Path,
    *,
    width: str = "3.25in",
    height: str | None = None,
    title: str = "",
    choose: Mapping[str, str] | None = None,
    panels: Sequence[str] = (),
) -> Path:
    """Write a plotly figure as it goes into a paper, and return the path.

    Args:
        figure: of this package, or any other.
        file: ends in .pdf, .svg or .png; a PNG has 300 pixels per inch, or as many as the width says in px.
        width: as it will be printed, in in, cm, mm, pt (1/72 inch) or px (1/96 inch).
        height: the same; where it is not given, it follows from the panels.
        title: written inside, above the panels.
        choose: which view is shown, by the names of its choices; the one that a page shows first where not given.
        panels: the titles of those that are shown; all where none is named.

    Needs kaleido (extra `png`) and a Chromium or Chrome: on the PATH, where it is usually installed, or at
    BROWSER_PATH. Raises `HeadreuseError` where either is missing, and for what does not fit.
    """
    path = Path(file)
    check_format(suffix := path.suffix.lower().removeprefix("."))
    across, down = Size.of(width), Size.of(height, "height").inches if height is not None else None
    shown = with_panels(with_view(figure, choose or {}), panels)
    arranged = for_paper(shown, across.inches, height=down, title=title)
    drawn = draw(arranged, suffix, pixels_per_inch=96 if across.unit == "px" else PRINTED_PIXELS)
    with written_whole(path) as draft:
        draft.write_bytes(drawn)
    return path


def check_format(name: str) -> None:
    """Raise for a format that cannot be written."""
    if name not in FORMATS:
        raise HeadreuseError(f"{name!r} is no format{nearest(name, list(FORMATS))}; give {', '.join(FORMATS)}")


def check_printer() -> str:
    """The browser that draws; raises where it or kaleido is missing."""
    if find_spec("kaleido") is None:
        raise HeadreuseError("figures are drawn by kaleido, which is not installed: pip install 'headreuse[png]'")
    return browser()


def browser() -> str:
    """Path of a Chromium or Chrome; raises where none is found."""
    if given := os.environ.get("BROWSER_PATH"):
        if not os.access(given, os.X_OK) or not Path(given).is_file():
            raise HeadreuseError(f"BROWSER_PATH: {given} is no program; give the path of a Chromium or Chrome")
        return given
    found = next(filter(None, map(shutil.which, BROWSERS)), None) or _installed_elsewhere()
    if found is None:
        raise HeadreuseError(
            "figures are drawn in a Chromium or Chrome, and none was found: install one (on Debian: apt-get install "
            "chromium; anywhere: kaleido_get_chrome), or set BROWSER_PATH to the path of one"
        )
    return found


def _installed_elsewhere() -> str | None:
    """A browser in the usual places of this system, or the one that `kaleido_get_chrome` fetched."""
    if find_spec("choreographer") is None:
        return None
    # Comes with kaleido, which need not be installed.
    from choreographer.browsers.chromium import Chromium

    return Chromium.find_browser(skip_local=False)


def draw(figure: go.Figure, kind: str, *, pixels_per_inch: int = PRINTED_PIXELS) -> bytes:
    """The file of a figure whose layout is in dots; the same figure gives the same bytes as SVG."""
    path = check_printer()
    # Needed here alone; of the extra `png`.
    import kaleido

    scale = (pixels_per_inch if kind == "png" else PER_INCH["px"]) / DOTS
    options = {"format": kind, "width": figure.layout.width, "height": figure.layout.height, "scale": scale}
    settings: dict[str, Any] = {"path": path, "page_generator": _BarePage(), "timeout": SECONDS}
    try:
        drawn: bytes = kaleido.calc_fig_sync(figure, opts=options, kopts=settings)
    except Exception as error:
        # Of many kinds, from the browser, its pipe and the page in it.
        what = " ".join(str(error).split()) or type(error).__name__
        raise HeadreuseError(f"{path}: could not draw the figure: {what[:300]}; set BROWSER_PATH to another") from error
    if kind == "svg":
        return _same_names(drawn)
    return _with_density(drawn, pixels_per_inch) if kind == "png" else drawn


class _BarePage:
    """The page in which kaleido draws: without MathJax, which it would fetch, and without the margin of printed pages,
    by which it would cut off the right and the lower end of a PDF."""

    def generate_index(self) -> str:
        """Its HTML; kaleido asks for it by this name."""
        # Of the extra `png`, as above.
        import kaleido

        page: str = kaleido.PageGenerator(mathjax=False).generate_index()
        return page.replace("</head>", "<style>@page { margin: 0 } img { display: block }</style></head>")


def _same_names(svg: bytes) -> bytes:
    """Without the random part of the names of its elements."""
    found = re.search(rb'id="defs-([0-9a-f]{6})"', svg)
    return svg.replace(found[1], b"000000") if found else svg


def _with_density(png: bytes, pixels_per_inch: int) -> bytes:
    """With the chunk that says how large it is printed, after the header, which always has 33 bytes with the magic."""
    per_metre = round(pixels_per_inch / 0.0254)
    body = b"pHYs" + struct.pack(">IIB", per_metre, per_metre, 1)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]
