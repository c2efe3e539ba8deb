"""Panels that fit a printed width: how many side by side, and how high. All lengths are in dots of 1/108 inch."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import plotly.graph_objects as go

from headreuse.errors import HeadreuseError
from headreuse.figures.lettering import lines_of, text_width
from headreuse.figures.room import LINE, SMALL, Panel, above_panels, head, panels_of, title_height

DOTS = 108
"""Per inch."""
HIGHEST, WIDEST = 9.5 * DOTS, 12 * DOTS
"""The text of a page is no higher; no wider figure is suggested."""
GAP, TICKS, TITLE = 14.0, 26.0, 18.0
"""Between panels side by side: always, with ticks between them, with the title of an axis."""
BELOW = 43.0
"""The ticks and the title of a horizontal axis."""
LEAST_HEIGHT, CELL = 60.0, 34.0
"""Of a panel; of a row of a heat map at most."""
ALONE, STACKED = 0.72, 0.5
"""Height of a panel of lines as a share of its width: in one row of panels, and in several."""
SCALE = 130.0
"""Height of one row of heat maps at least, so that the ticks of the colour bar beside it are apart."""
_SMALLER = 0.92
"""Margins of a page on the screen are that many times as large in a paper."""


class TooNarrowError(HeadreuseError):
    """The panels of a figure do not fit a width."""


@dataclass(frozen=True)
class Page:
    """How a figure stands on a page of the report."""

    columns: int
    least_columns: int
    panel_height: float
    only_left: bool
    """Whether the vertical axes of the first column speak for those beside them."""
    left: float
    right: float
    below: float

    @classmethod
    def of(cls, meta: dict[str, Any]) -> "Page":
        """From the arrangements that a figure of this package carries."""
        wide, margin = meta["wide"], meta["wide"]["margin"]
        plot = wide["height"] - margin["t"] - margin["b"]
        rows = _domains(wide, "yaxis")
        return cls(
            len(_domains(wide, "xaxis")),
            len(_domains(meta["narrow"], "xaxis")),
            (rows[0][1] - rows[0][0]) * plot,
            any(path.endswith("showticklabels") for path in wide),
            _SMALLER * margin["l"],
            # Half a number stands beyond the end of an axis.
            max(_SMALLER * margin["r"], 16.0),
            max(_SMALLER * margin["b"], BELOW),
        )


@dataclass(frozen=True)
class Grid:
    """Panels of a figure side by side and below each other."""

    figure: go.Figure
    page: Page
    panels: Sequence[Panel]
    width: float
    """Of the whole figure."""
    columns: int
    given_height: float | None = None
    """Of a panel; None for what follows from its width."""

    @cached_property
    def rows(self) -> int:
        """Below each other."""
        return -(-len(self.panels) // self.columns)

    @cached_property
    def gap(self) -> float:
        """Between panels side by side."""
        inner = [panel for panel in self.panels if panel.index % self.columns]
        ticks = not self.page.only_left and any(panel.y.showticklabels is not False for panel in inner)
        return GAP + TICKS * ticks + TITLE * any(bool(panel.y.title.text) for panel in inner)

    @cached_property
    def plot_width(self) -> float:
        """Of all panels side by side."""
        return self.width - self.page.left - self.page.right

    @cached_property
    def panel_width(self) -> float:
        """Of one panel."""
        return (self.plot_width - (self.columns - 1) * self.gap) / self.columns

    @cached_property
    def is_wide_enough(self) -> bool:
        """Whether every panel has the room for what must be read in it."""
        return self.panel_width >= max(panel.least_width for panel in self.panels)

    @cached_property
    def panel_height(self) -> float:
        """Rows of labels keep theirs; maps are at most as high as wide, and lines lower."""
        if self.given_height is not None:
            return self.given_height
        if self.has_labels:
            return self.page.panel_height
        if cells := max(panel.n_cells[0] for panel in self.panels):
            own = min(self.page.panel_height, self.panel_width, CELL * cells)
            return max(own, SCALE if self.rows == 1 else LEAST_HEIGHT)
        aspect = ALONE if self.rows == 1 else STACKED
        least = max(panel.least_height for panel in self.panels)
        return min(self.page.panel_height, max(aspect * self.panel_width, least))

    @cached_property
    def has_labels(self) -> bool:
        """Whether labels stand in the panels as rows."""
        return any(panel.labels for panel in self.panels)

    @cached_property
    def above(self) -> float:
        """The room above each row of panels."""
        return above_panels(self.figure, list(self.panels), self.panel_width)

    @cached_property
    def below(self) -> float:
        """The room below each row of panels."""
        names = [name for panel in self.panels for name in panel.broken_categories(self.panel_width)]
        return self.page.below + LINE * (max((len(lines_of(name)) for name in names), default=1) - 1)

    @cached_property
    def row_gap(self) -> float:
        """Between two rows; smaller where only the last row has ticks."""
        upper = self.panels[: (self.rows - 1) * self.columns]
        has_ticks = any(panel.x.showticklabels is not False for panel in upper)
        return self.above + (self.below if has_ticks else 0)

    @cached_property
    def plot_height(self) -> float:
        """Of all panels below each other."""
        return self.rows * self.panel_height + (self.rows - 1) * self.row_gap

    @cached_property
    def top(self) -> float:
        """The room above the first row."""
        return head(self.figure, self.plot_width) + self.above

    @cached_property
    def height(self) -> float:
        """Of the whole figure."""
        return self.top + self.plot_height + self.below

    def stretched(self, height: float) -> "Grid":
        """With panels such that the whole has a height; raises where they would become too low."""
        own = self.panel_height + (height - self.height) / self.rows
        least = 0.8 * self.panel_height if self.has_labels else LEAST_HEIGHT
        if own < least:
            needed = (height + self.rows * (least - own)) / DOTS
            raise HeadreuseError(f"a height of {height / DOTS:.3g}in is too low; give at least {needed + 0.05:.1f}in")
        return replace(self, given_height=own)

    def arrange(self) -> None:
        """Set the axes, the margins and the height of the figure."""
        total, margin = self.height, {"l": self.page.left, "r": self.page.right, "t": self.top, "b": self.below}
        self.figure.update_layout(height=total, margin=margin)
        for panel in self.panels:
            row, column = divmod(panel.index, self.columns)
            start, top = column * (self.panel_width + self.gap), row * (self.panel_height + self.row_gap)
            bottom = self.plot_height - top - self.panel_height
            panel.x.domain = _share(start, start + self.panel_width, self.plot_width)
            panel.y.domain = _share(bottom, bottom + self.panel_height, self.plot_height)
            if self.page.only_left:
                panel.y.showticklabels = column == 0
            _fit_text(panel, self.panel_width)
        self.figure.update_layout(coloraxis={"colorbar": {"len": min(170.0, self.plot_height)}})
        self.figure.update_layout(legend={"y": 1 - title_height(self.figure) / total})


def fit(figure: go.Figure, width: float, height: float | None) -> None:
    """Arrange the panels of a figure for a width, and for a height where one is given.

    A figure of another origin keeps its panels, and has two thirds of its width as its height where none is given.
    Raises `TooNarrowError` where the panels do not fit, and `HeadreuseError` where the height is too low.
    """
    meta = figure.layout.meta or {}
    if "wide" not in meta:
        figure.update_layout(height=height or 0.68 * width)
        figure.update_layout(margin={"l": 48, "r": 16, "t": 12 + head(figure, width - 64), "b": 42})
        figure.update_xaxes(automargin=True)
        return
    page, panels = Page.of(meta), panels_of(figure)
    grid = widest_grid(figure, page, panels, width)
    if not grid.is_wide_enough or (height is None and grid.height > HIGHEST):
        raise TooNarrowError(_too_narrow(grid))
    (grid if height is None else grid.stretched(height)).arrange()


def widest_grid(figure: go.Figure, page: Page, panels: Sequence[Panel], width: float) -> Grid:
    """The grid with as many panels side by side as are wide enough, and with the fewest where none are."""
    most, least = (min(columns, len(panels)) for columns in (page.columns, page.least_columns))
    grids = [Grid(figure, page, panels, width, columns) for columns in range(most, least - 1, -1)]
    return next((grid for grid in grids if grid.is_wide_enough), grids[-1])


def _domains(paths: dict[str, Any], axis: str) -> list[tuple[float, float]]:
    """Where panels begin and end along an axis, each once."""
    return sorted({tuple(value) for path, value in paths.items() if re.fullmatch(rf"{axis}\d*\.domain", path)})


def _share(start: float, end: float, whole: float) -> list[float]:
    return [max(0.0, round(start / whole, 5)), min(1.0, round(end / whole, 5))]


def _fit_text(panel: Panel, width: float) -> None:
    """Titles and categories on several lines; numbers in cells, and of heads, only where they have room."""
    if panel.note is not None:
        panel.note.text = panel.broken_title(width)
    if names := panel.categories:
        panel.x.update(tickvals=names, ticktext=panel.broken_categories(width), tickangle=0)
    if panel.x.type == "log" and panel.x.range is not None:
        panel.x.tickvals = round_numbers(*panel.x.range)
    _, columns = panel.n_cells
    for trace in panel.maps:
        trace.textfont.size = SMALL
        is_number = trace.texttemplate and "%{text}" not in trace.texttemplate
        if is_number and width < columns * text_width("−0.00", SMALL):
            trace.texttemplate = None
    if panel.maps and panel.x.dtick == 1 and width < columns * text_width("00", SMALL):
        panel.x.dtick = None


def round_numbers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten within a range, whose ends are given as powers of ten."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    numbers = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    return [number for number in numbers if 10**low <= number <= 10**high]


def _too_narrow(grid: Grid) -> str:
    """What does not fit, and the width that would do."""
    what = f"{len(grid.panels)} panel{'s' if len(grid.panels) > 1 else ''}"
    wrong = f"{what} do{'' if len(grid.panels) > 1 else 'es'} not fit a width of {grid.width / DOTS:.3g}in"
    if grid.is_wide_enough:
        wrong = f"{what} at a width of {grid.width / DOTS:.3g}in would be {grid.height / DOTS:.1f}in high, "
        wrong += "and a page is not"
    widths = [step * DOTS / 4 for step in range(int(4 * grid.width / DOTS) + 1, int(4 * WIDEST / DOTS) + 1)]
    grids = (widest_grid(grid.figure, grid.page, grid.panels, width) for width in widths)
    right = next((one.width for one in grids if one.is_wide_enough and one.height <= HIGHEST), None)
    advice = [f"a width of {right / DOTS:.3g}in"] if right is not None else []
    advice += ["fewer panels"] if len(grid.panels) > 1 else []
    return f"{wrong}; give {' or '.join(advice)}"
