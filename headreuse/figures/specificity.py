"""Does a task need another's heads in related groups, and not in controls? Functional overlap against chance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headreuse.correlation.wording import counted
from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.rows import Row, empty_rows, kinds_entries, row_axis, row_changes, row_height, span
from headreuse.figures.seeds import legend_entry
from headreuse.figures.style import MUTED, rounded
from headreuse.figures.views import Key, View, add_views, choice, keys
from headreuse.tables.seeds import over_seeds

CHANCE = "other heads"
LEFT_MARGIN = 14


def functional_specificity(specificity: pd.DataFrame, *, mains: Mapping[str, str]) -> go.Figure:
    """Functional overlap of main with its auxiliaries, related and control side by side, with that of other heads.

    Args:
        specificity: what `specificity_over_seeds` returns.
        mains: each group's main task; pairs without it are left out.

    Views: outcome. A row for each group and direction: whose heads are ablated → which task is measured. Points are
    medians over seeds, with the interval that takes a seed as one observation; with fewer than 5 they are hollow.
    """
    rows = pairs_with_main(specificity, mains)
    kinds = [kind for kind in ("related", "control") if kind in set(rows["kind"])]
    outcomes = sorted(rows["outcome"].unique(), key=lambda name: name != "exact_match")
    choices = [choice("outcome", outcomes)]
    legend = [
        legend_entry(kind, mode="markers", marker=marker, legendgroup=kind)
        for kind, marker in kinds_entries(kinds).items()
    ]
    legend.append(legend_entry(CHANCE, mode="markers", marker=_chance_marker(), legendgroup=CHANCE))
    places = {kind: _places(rows[rows["kind"] == kind]) for kind in kinds}
    n_rows = max(len(found) for found in places.values())
    figure = go.Figure(layout=_layout(kinds, n_rows, [str(trace.name) for trace in legend]))
    figure.add_traces(legend)
    for panel, kind in enumerate(kinds):
        figure.add_traces([*empty_rows(panel, [kind]), _chance_points(panel)])
    figure.update_yaxes(**row_axis(n_rows, 2))
    figure.update_xaxes(title_text="functional overlap")
    views: dict[Key, View] = {}
    for (outcome,) in keys(choices):
        chosen = rows[rows["outcome"] == outcome]
        panels = {kind: [_row(chosen, place, "value") for place in found] for kind, found in places.items()}
        limits = span([row for panel in panels.values() for row in panel], (0, 1), (-0.5, 1.5))
        traces: list[dict[str, Any]] = [{"type": "scatter"} for _ in legend]
        for kind, found in places.items():
            traces += row_changes(panels[kind], [kind], limits[0])
            traces.append(_chance_changes([_row(chosen, place, "chance") for place in found]))
        axes = {panel_axes(index)["xaxis"].replace("x", "xaxis"): {"range": limits} for index in range(len(kinds))}
        views[outcome,] = View(traces, axes)
    return add_views(figure, choices, views)


def specificity_over_seeds(functional: pd.DataFrame) -> pd.DataFrame:
    """Functional overlap of each group, median over seeds: a row for each outcome and pair of tasks.

    `functional` is the functional-overlap table with a column `kind`. Columns: group, kind, outcome, source, target,
    measure (`value`, or `chance`: the same of other heads) and those of `over_seeds`. Only usable rows count, and none
    of a task with itself.
    """
    rows = functional[functional["usable"].astype(bool) & (functional["source"] != functional["target"])]
    return over_seeds(rows, by=["group", "kind", "outcome", "source", "target"], values=["value", "chance"])


def pairs_with_main(specificity: pd.DataFrame, mains: Mapping[str, str]) -> pd.DataFrame:
    """The rows in which the main task of the group is the source or the target."""
    main = specificity["group"].map(dict(mains))
    return specificity[(specificity["source"] == main) | (specificity["target"] == main)]


_Place = tuple[str, str, str, str]
"""Group, kind, source, target."""


def _places(rows: pd.DataFrame) -> list[_Place]:
    named = rows[["group", "kind", "source", "target"]].drop_duplicates()
    return [(str(a), str(b), str(c), str(d)) for a, b, c, d in named.itertuples(index=False, name=None)]


def _row(rows: pd.DataFrame, place: _Place, measure: str) -> Row:
    group, kind, source, target = place
    here = (rows["group"] == group) & (rows["source"] == source) & (rows["target"] == target)
    found = rows[here & (rows["measure"] == measure)]
    label = f"{group}\n{source} → {target}"
    if not len(found):
        return Row(f"{label} · not usable", kind, np.nan, np.nan, np.nan)
    entry = found.iloc[0]
    n_seeds = int(entry["n_seeds"])
    seeds = counted(n_seeds, "seed")
    note = f"{seeds}, {entry['low']:.2f} to {entry['high']:.2f}"
    return Row(f"{label} · {seeds}", kind, entry["median"], entry["ci_low"], entry["ci_high"], note)


def _chance_marker() -> dict[str, Any]:
    return {"symbol": "line-ns-open", "size": 14, "color": MUTED, "line": {"color": MUTED, "width": 2}}


def _chance_points(panel: int) -> go.Scatter:
    return go.Scatter(
        mode="markers",
        marker=_chance_marker(),
        showlegend=False,
        legendgroup=CHANCE,
        hovertemplate=f"{CHANCE}: %{{x:.3g}}<extra></extra>",
        **panel_axes(panel),
    )


def _chance_changes(rows: Sequence[Row]) -> dict[str, Any]:
    return {"type": "scatter", "x": rounded([row.value for row in rows]), "y": list(range(len(rows)))}


def _layout(kinds: Sequence[str], n_rows: int, legend: Sequence[str]) -> go.Layout:
    height = row_height(2) * n_rows
    margin = (LEFT_MARGIN, LEFT_MARGIN, 34, 48)
    wide = Arrangement(columns=2, height=height, margin=margin, column_gap=0.05)
    narrow = Arrangement(columns=1, height=height, margin=margin)
    return panel_layout(len(kinds), wide, narrow, legend=legend, annotations=panel_titles(list(kinds)))
