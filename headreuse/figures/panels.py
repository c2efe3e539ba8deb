"""Panels of one figure on a grid that a narrow page can stack; a notebook shows the wide form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from headreuse.figures.style import THEME

LEGEND_SPACE = 34
"""Pixels above the panels for a legend of one row."""


@dataclass(frozen=True)
class Panels:
    """Where the panels of a figure stand, in a wide and in a narrow page."""

    n: int
    columns: int
    """Panels side by side where there is room."""
    height: int
    """Pixels of one panel."""
    narrow_columns: int = 1
    narrow_height: int | None = None
    """Pixels of one panel in a narrow page; None for `height`."""
    column_gap: float = 0.07
    """Fraction of the width between panels."""
    row_gap: int = 62
    """Pixels between rows, for titles and ticks."""
    margin: tuple[int, int, int, int] = (58, 12, 30, 48)
    """Pixels left, right, above (a legend's space is added) and below."""
    legend_rows: int = 1
    narrow_legend_rows: int = 1

    def layout(self, **more: Any) -> go.Layout:
        """The wide layout; `meta` holds both as paths and values that `Plotly.relayout` takes."""
        wide = self._arrangement(self.columns, self.height, self.legend_rows)
        narrow = self._arrangement(self.narrow_columns, self.narrow_height or self.height, self.narrow_legend_rows)
        layout = go.Layout(template=THEME, meta={"wide": wide, "narrow": narrow}, **more)
        for number in range(1, self.n + 1):
            suffix = "" if number == 1 else str(number)
            for this, other in (("x", "y"), ("y", "x")):
                axis = f"{this}axis{suffix}"
                layout.update({axis: {"anchor": f"{other}{suffix}", "domain": wide[f"{axis}.domain"]}})
        layout.update(height=wide["height"], margin=wide["margin"])
        return layout

    def _arrangement(self, columns: int, height: int, legend_rows: int) -> dict[str, Any]:
        columns = max(1, min(columns, self.n))
        rows = max(1, -(-self.n // columns))
        plot_height = rows * height + (rows - 1) * self.row_gap
        width = (1 - (columns - 1) * self.column_gap) / columns
        left, right, above, below = self.margin
        above += LEGEND_SPACE + 20 * (legend_rows - 1) if legend_rows else 0
        paths: dict[str, Any] = {
            "height": plot_height + above + below,
            "margin": {"l": left, "r": right, "t": above, "b": below},
        }
        for index in range(self.n):
            row, column = divmod(index, columns)
            start, top = column * (width + self.column_gap), 1 - row * (height + self.row_gap) / plot_height
            suffix = str(index + 1) if index else ""
            paths[f"xaxis{suffix}.domain"] = [round(start, 5), round(min(1, start + width), 5)]
            paths[f"yaxis{suffix}.domain"] = [round(max(0, top - height / plot_height), 5), round(top, 5)]
        return paths


def panel_axes(index: int) -> dict[str, str]:
    """The axes of a trace in the panel of that index, from 0."""
    return {"xaxis": f"x{index + 1}", "yaxis": f"y{index + 1}"} if index else {"xaxis": "x", "yaxis": "y"}


def panel_titles(titles: Sequence[str]) -> list[dict[str, Any]]:
    """Annotations above the panels that stay with them when they are moved; labels must be escaped."""
    return [
        {
            "text": title,
            "xref": f"{panel_axes(index)['xaxis']} domain",
            "yref": f"{panel_axes(index)['yaxis']} domain",
            "x": 0,
            "y": 1,
            "yshift": 4,
            "xanchor": "left",
            "yanchor": "bottom",
            "align": "left",
            "showarrow": False,
            "font": {"size": 13},
        }
        for index, title in enumerate(titles)
    ]
