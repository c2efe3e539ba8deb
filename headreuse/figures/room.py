"""The room that the parts of a figure take in a paper: its panels, and the text around them.

All lengths are in dots of 1/108 inch, of which a point has 1.5.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import plotly.graph_objects as go

from headreuse.figures.lettering import broken, lines_of, text_width, words_of

TEXT, SMALL = 12, 11
"""Font sizes: 8 points for titles, 7.3 for ticks, legends and numbers in cells."""
LINE, LEGEND_LINE, LEGEND_MARK = 16.0, 19.0, 45.0
"""Height of a line of text and of a row of the legend; width of an entry beside its text."""
LEAST_WIDTH, LEAST_CELL = 95.0, 4.0
TITLE_SHARE = 0.6
"""A title that is broken into lines has at least this share of its width, so that it has two."""


@dataclass(frozen=True)
class Panel:
    """One panel of a figure, and what it takes."""

    index: int
    note: Any
    """The annotation that is its title; None without one."""
    x: Any
    y: Any
    """Its axes."""
    traces: tuple[Any, ...]

    @cached_property
    def title(self) -> str:
        """Its title as plotly reads it; may be empty."""
        return self.note.text or "" if self.note is not None else ""

    @cached_property
    def maps(self) -> list[Any]:
        """Its heat maps."""
        return [trace for trace in self.traces if trace.type == "heatmap"]

    @cached_property
    def n_cells(self) -> tuple[int, int]:
        """Rows and columns of its heat map, the most of any; 0 without one."""
        shapes = [(len(trace.z), max(map(_n_columns, trace.z))) for trace in self.maps if _has_rows(trace)]
        return (max(rows for rows, _ in shapes), max(columns for _, columns in shapes)) if shapes else (0, 0)

    @cached_property
    def labels(self) -> list[str]:
        """Texts that stand in it as rows."""
        found = [trace.text for trace in self.traces if trace.type == "scatter" and trace.mode == "text"]
        return [str(text) for texts in found for text in (texts if texts is not None else ())]

    @cached_property
    def categories(self) -> list[str]:
        """The names along a horizontal axis whose angle is left open."""
        is_open = self.x.type == "category" and self.x.tickangle is None and self.x.categoryarray is not None
        return [str(name) for name in self.x.categoryarray] if is_open else []

    @cached_property
    def least_width(self) -> float:
        """For its titles, its rows and the numbers that its cells must show."""
        across = text_width(self.x.title.text or "", TEXT)
        words = [text_width(word, TEXT) for word in words_of(self.title)]
        rows = [text_width(text, SMALL) + 10 for text in self.labels]
        own = TITLE_SHARE * text_width(self.title, TEXT)
        return max([LEAST_WIDTH, own, across, *words, *rows, *map(_text, self.maps)])

    @cached_property
    def least_height(self) -> float:
        """For the title at its side."""
        return max(LEAST_WIDTH, text_width(self.y.title.text or "", TEXT))

    def broken_title(self, width: float) -> str:
        """Its title in lines of at most that width."""
        return broken(self.title, width, TEXT) if text_width(self.title, TEXT) > width else self.title

    def broken_categories(self, width: float) -> list[str]:
        """Its categories in lines that leave them beside each other."""
        return [broken(name, width / len(self.categories) - 4, SMALL) for name in self.categories]


def panels_of(figure: go.Figure) -> list[Panel]:
    """The panels of a figure of this package, in order."""
    titles = {note.xref: note for note in figure.layout.annotations if (note.xref or "").endswith(" domain")}
    found = []
    for index, x in enumerate(figure.select_xaxes()):
        suffix = str(index + 1) if index else ""
        traces = [trace for trace in figure.data if (trace.xaxis or "x") == f"x{suffix}"]
        y = figure.layout[f"yaxis{suffix}"]
        found.append(Panel(index, titles.get(f"x{suffix} domain"), x, y, tuple(traces)))
    return found


def above_panels(figure: go.Figure, panels: list[Panel], width: float) -> float:
    """The room of what is written above each of the panels of that width."""
    titles = [panel.note for panel in panels]
    others = [note.text for note in figure.layout.annotations if note.yanchor == "bottom" and note not in titles]
    texts = [*(panel.broken_title(width) for panel in panels), *others]
    return 8 + LINE * max((len(lines_of(text)) for text in texts if text), default=0)


def head(figure: go.Figure, width: float) -> float:
    """The room of the title and of the legend above a plot of that width."""
    rows = legend_rows(figure, width)
    return title_height(figure) + (LEGEND_LINE * rows + 4 if rows else 0)


def title_height(figure: go.Figure) -> float:
    """The room of the title of the whole figure."""
    text = figure.layout.title.text
    return LINE * len(lines_of(text)) + 6 if text else 0.0


def legend_rows(figure: go.Figure, width: float) -> int:
    """Rows of the legend: entries of groups have their own widths, others that of the widest if one row is too few."""
    entries = [trace for trace in figure.data if trace.showlegend is not False and trace.name]
    if figure.layout.showlegend is False or len(entries) < 2:
        return 0
    widths = [LEGEND_MARK + text_width(trace.name, SMALL) for trace in entries]
    if sum(widths) <= width:
        return 1
    if not any(trace.legendgroup for trace in entries):
        widths = [max(widths)] * len(widths)
    rows, used = 1, 0.0
    for own in widths:
        if used and used + own > width:
            rows, used = rows + 1, 0.0
        used += own
    return rows


def _has_rows(trace: Any) -> bool:
    return trace.z is not None and len(trace.z) > 0


def _n_columns(row: Any) -> int:
    return len(row) if row is not None else 0


def _text(trace: Any) -> float:
    """What the columns of a heat map take: those whose texts say more than the colour show them in full."""
    columns = max(map(_n_columns, trace.z)) if _has_rows(trace) else 0
    if "%{text}" not in (trace.texttemplate or "") or trace.text is None:
        return columns * LEAST_CELL
    return columns * (max((text_width(str(text), SMALL) for row in trace.text for text in row), default=0) + 4)
