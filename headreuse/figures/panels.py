"""Panels of one figure on a grid that a narrow page can stack; a notebook shows the wide form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

from headreuse.figures.style import THEME

WIDE, NARROW = 560, 330
"""Pixels of a figure on half of a wide page, and of one on a phone: the widths that legends are laid out for."""
LEGEND_ROW = 20


@dataclass(frozen=True)
class Arrangement:
    """Where the panels stand in a page of one width."""

    columns: int
    """Panels side by side."""
    height: int
    """Pixels of one panel."""
    row_gap: int = 84
    """Pixels between rows: room for ticks and axis title of the upper row and the title of the lower."""
    column_gap: float = 0.07
    """Fraction of the figure's width between panels."""
    margin: tuple[int, int, int, int] = (58, 12, 34, 48)
    """Pixels left, right, above (to which the legend's rows are added) and below."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further settings, by their path in the layout."""

    def paths(self, n_panels: int, legend_rows: int) -> dict[str, Any]:
        """All settings by their path in the layout, as a page's script sets them."""
        columns = max(1, min(self.columns, n_panels))
        rows = max(1, -(-n_panels // columns))
        plot_height = rows * self.height + (rows - 1) * self.row_gap
        width = (1 - (columns - 1) * self.column_gap) / columns
        left, right, above, below = self.margin
        above += LEGEND_ROW * legend_rows
        paths: dict[str, Any] = {
            "height": plot_height + above + below,
            "margin": {"l": left, "r": right, "t": above, "b": below},
        }
        for index in range(n_panels):
            row, column = divmod(index, columns)
            start, top = column * (width + self.column_gap), 1 - row * (self.height + self.row_gap) / plot_height
            suffix = str(index + 1) if index else ""
            paths[f"xaxis{suffix}.domain"] = [round(start, 5), round(min(1, start + width), 5)]
            paths[f"yaxis{suffix}.domain"] = [round(max(0, top - self.height / plot_height), 5), round(top, 5)]
        return paths | dict(self.more)


def panel_layout(
    n_panels: int, wide: Arrangement, narrow: Arrangement, *, legend: Sequence[str] = (), **more: Any
) -> go.Layout:
    """The wide layout, with both arrangements in its `meta`; `legend` names the entries that need room above."""
    arrangements = {
        "wide": wide.paths(n_panels, legend_rows(legend, WIDE)),
        "narrow": narrow.paths(n_panels, legend_rows(legend, NARROW)),
    }
    layout = go.Layout(template=THEME, meta=arrangements, **more)
    suffixes = ["", *map(str, range(2, n_panels + 1))]
    anchors = {f"{one}axis{suffix}.anchor": f"{other}{suffix}" for suffix in suffixes for one, other in ("xy", "yx")}
    # All at once, since each update of a layout takes a while.
    return layout.update(_nested(anchors | arrangements["wide"]))


def legend_rows(names: Sequence[str], width: int) -> int:
    """Rows that plotly needs for these entries: one row if all fit, otherwise every entry is as wide as the widest."""
    widths = [48 + 7 * len(name) for name in names]
    if sum(widths) <= width:
        return min(1, len(names))
    per_row = max(1, width // max(widths))
    return -(-len(names) // per_row)


def panel_axes(index: int) -> dict[str, str]:
    """The axes of a trace in the panel of that index, from 0."""
    return {"xaxis": f"x{index + 1}", "yaxis": f"y{index + 1}"} if index else {"xaxis": "x", "yaxis": "y"}


def panel_titles(titles: Sequence[str], *, size: int = 13) -> list[dict[str, Any]]:
    """Annotations above the panels that stay with them when they are moved; labels must be escaped."""
    return [
        {
            "text": title,
            "xref": f"{panel_axes(index)['xaxis']} domain",
            "yref": f"{panel_axes(index)['yaxis']} domain",
            "x": 0,
            "y": 1,
            "yshift": 3,
            "xanchor": "left",
            "yanchor": "bottom",
            "align": "left",
            "showarrow": False,
            "font": {"size": size},
        }
        for index, title in enumerate(titles)
    ]


def _nested(paths: Mapping[str, Any]) -> dict[str, Any]:
    """Values by paths such as `xaxis.domain`, as dictionaries in dictionaries."""
    whole: dict[str, Any] = {}
    for path, value in paths.items():
        *outer, last = path.split(".")
        inner = whole
        for name in outer:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return whole
