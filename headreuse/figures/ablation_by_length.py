"""Do the heads that main shares carry it beyond its own length? What main is left with, length by length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.measures import in_words
from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.seeds import legend_entry
from headreuse.figures.style import INK, MUTED, OKABE_ITO, escaped, rounded, subtitled, tinted
from headreuse.figures.views import Key, View, add_views, choice

COLOURS = {"untouched": INK, "shared": OKABE_ITO[1], "main_only": OKABE_ITO[0]}
NAMES = {
    "untouched": "all heads",
    "shared": "without the shared heads",
    "main_only": "without heads of main alone",
}
OTHERS = "without others like the shared (95 % of sets)"


@dataclass(frozen=True)
class PairOfTasks:
    """One panel: main and one of its auxiliaries."""

    group: str
    auxiliary: str
    trained_to: int
    """Main's longest training length."""
    note: str = ""


def ablation_by_length(rows: pd.DataFrame, pairs: Sequence[PairOfTasks]) -> go.Figure:
    """Main's outcome by length with all heads, and without those that it shares with an auxiliary, or does not share.

    Args:
        rows: of the `ablation_by_length` table, one step of each run.
        pairs: a panel for each.

    Views: outcome. Thin lines are seeds, strong ones their median; a seed whose tasks share no top head has no line
    without them. The band is the median over seeds of the range of other sets like the shared one.
    """
    outcomes = sorted(rows["outcome"].unique(), key=lambda name: name != "exact_match")
    legend = [legend_entry(NAMES[name], mode="lines", line={"color": COLOURS[name], "width": 2.6}) for name in NAMES]
    legend.append(legend_entry(OTHERS, mode="markers", marker=_swatch()))
    place = Arrangement(columns=min(3, len(pairs)), height=260, row_gap=104, column_gap=0.06, margin=(58, 12, 46, 48))
    titles = [subtitled(escaped(f"{pair.group}: {pair.auxiliary}"), pair.note) for pair in pairs]
    names = [str(trace.name) for trace in legend]
    narrow = Arrangement(columns=1, height=220, row_gap=104, margin=(58, 12, 46, 48))
    layout = panel_layout(len(pairs), place, narrow, legend=names, annotations=panel_titles(titles))
    figure = go.Figure(legend, layout)
    for index, pair in enumerate(pairs):
        figure.add_traces(_empty(index))
        figure.add_shape(_mark(index, pair.trained_to))
    figure.update_xaxes(title_text="length")
    views: dict[Key, View] = {}
    for outcome in outcomes:
        chosen = rows[rows["outcome"] == outcome]
        changes: list[dict[str, Any]] = [{"type": "scatter"} for _ in legend]
        # Fractions from 0 to 1, so that panels can be compared at a glance.
        is_fraction = outcome in ("exact_match", "token_accuracy")
        axis: dict[str, Any] = {"range": [-0.03, 1.03], "autorange": False} if is_fraction else {"autorange": True}
        axes = {panel_axes(index)["yaxis"].replace("y", "yaxis"): axis for index in range(len(pairs))}
        axes["yaxis"] = axis | {"title": {"text": f"{in_words(outcome)} of main"}}
        views[outcome,] = View(changes + [change for pair in pairs for change in _changes(chosen, pair)], axes)
    return add_views(figure, [choice("outcome", outcomes)], views)


def _mark(panel: int, length: int) -> dict[str, Any]:
    axes = panel_axes(panel)
    place = {"x0": length, "x1": length, "xref": axes["xaxis"], "y0": 0, "y1": 1, "yref": f"{axes['yaxis']} domain"}
    return {"type": "line", "layer": "below", "line": {"color": MUTED, "width": 1.5, "dash": "dot"}, **place}


def _swatch() -> dict[str, Any]:
    return {"symbol": "square", "size": 12, "color": tinted(MUTED, 0.25)}


def _empty(panel: int) -> list[go.Scatter]:
    """The band's edges, then for each curve its seeds and their median."""
    more: dict[str, Any] = {"mode": "lines", "showlegend": False, **panel_axes(panel)}
    edge = more | {"line": {"width": 0}, "hoverinfo": "skip"}
    traces = [go.Scatter(edge), go.Scatter(edge, fill="tonexty", fillcolor=tinted(MUTED, 0.25))]
    for name, colour in COLOURS.items():
        traces.append(go.Scatter(more, line={"color": tinted(colour, 0.3), "width": 1}, hoverinfo="skip"))
        line = {"color": colour, "width": 2.6}
        traces.append(go.Scatter(more, line=line, name=NAMES[name], hovertemplate="%{y:.3g} at length %{x}"))
    return traces


def _changes(rows: pd.DataFrame, pair: PairOfTasks) -> list[dict[str, Any]]:
    """What one panel shows of one outcome."""
    here = rows[(rows["group"] == pair.group) & (rows["auxiliary"] == pair.auxiliary) & (rows["n_heads"] > 0)]
    of_main = rows[(rows["group"] == pair.group) & (rows["ablated"] == "main")]
    shared = here[here["ablated"] == "shared"]
    band = shared.assign(low=shared["baseline"] - shared["random_high"], high=shared["baseline"] - shared["random_low"])
    edges = band.groupby("length")[["low", "high"]].median()
    changes = [_line(edges.index, edges[name]) for name in ("low", "high")]
    for name in COLOURS:
        found = of_main.assign(without=of_main["baseline"]) if name == "untouched" else here[here["ablated"] == name]
        by_seed = found.pivot(index="length", columns="seed", values="without")
        lengths = [value for _ in by_seed for value in (*by_seed.index, None)]
        changes.append({"type": "scatter", "x": lengths, "y": _with_gaps(by_seed)})
        changes.append(_line(by_seed.index, by_seed.median(axis=1)))
    return changes


def _with_gaps(by_seed: pd.DataFrame) -> list[float | None]:
    return rounded(np.concatenate([np.append(by_seed[seed], np.nan) for seed in by_seed] or [np.array([])]), 3)


def _line(lengths: pd.Index, values: pd.Series) -> dict[str, Any]:
    return {"type": "scatter", "x": lengths.tolist(), "y": rounded(values, 3)}
