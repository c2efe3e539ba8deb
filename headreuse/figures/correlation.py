"""Does transfer go with overlap? Every checkpoint of every run as a point, related and control groups side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.measures import in_words, measures, with_measure
from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.parts import Part, parts_by
from headreuse.figures.seeds import legend_entry, run_name, seed_colours, seed_symbols, unusable_entry, usable_symbols
from headreuse.figures.style import MUTED, escaped, tinted
from headreuse.figures.trajectories import pairs_of_main
from headreuse.figures.views import Key, View, add_views, choice, keys
from headreuse.study.transfer_rows import OF_ACCURACY, measures_among

PLACE = ("measure", "metric", "outcome", "group", "seed", "step", "overlap", "usable")
"""The columns of points that are not transfer."""


def overlap_against_transfer(
    points: pd.DataFrame, *, kinds: Mapping[str, str], measure: str = "", transfer: str | None = None
) -> go.Figure:
    """Overlap of main with its auxiliaries against transfer, a panel per group, a colour per seed.

    Args:
        points: what `overlap_points` returns, of any number of groups.
        kinds: `related` or `control` for each group, in the order of the panels.
        measure: that is shown first, where the points have it.
        transfer: the same.

    Views: measure, transfer metric. Consecutive checkpoints of a run are joined; hollow points are not usable. All
    panels of a view have the same axes.
    """
    known = set(points.loc[points["overlap"].notna(), "group"]) or set(points["group"])
    groups = [group for group in kinds if group in known]
    seeds = sorted(points["seed"].unique())
    choices = [
        choice("measure", measures(points), start=measure),
        choice("transfer_metric", [name for name in points if name not in PLACE], start=transfer),
    ]
    legend = _legend(seeds)
    titles = [f"{escaped(group)} <span style='color:{MUTED}'>{escaped(kinds[group])}</span>" for group in groups]
    figure = go.Figure(layout=_layout(titles, [str(trace.name) for trace in legend]))
    figure.add_traces(legend)
    for index in range(len(groups)):
        figure.add_traces([_run(seed, seeds, index) for seed in seeds])
    points = points[points["group"].isin(groups)].sort_values("step", kind="stable")
    digits = {str(name): 4 for name in points if name == "overlap" or name not in PLACE}
    points = points.assign(usable=points["usable"].fillna(False).astype(bool))
    by_run = parts_by(points, ["measure", "group", "seed"], digits=digits)
    of_measure = dict(list(points.groupby("measure")))
    runs = [(group, str(seed)) for group in groups for seed in seeds]
    symbols = [seed_symbols(seeds)[seed] for _ in groups for seed in seeds]
    views: dict[Key, View] = {}
    for measure, metric in keys(choices):
        found = [by_run.get((measure, *run)) for run in runs]
        traces = [{"type": "scatter"} for _ in legend]
        traces += [_points(part, metric, symbol) for part, symbol in zip(found, symbols, strict=True)]
        rows = of_measure[measure]
        views[measure, metric] = View(traces, _axes(rows, len(groups), rows["metric"].iloc[0], metric))
    return add_views(figure, choices, views)


def overlap_points(overlap: pd.DataFrame, transfer: pd.DataFrame, *, mains: Mapping[str, str]) -> pd.DataFrame:
    """One row per measure and checkpoint: columns `PLACE` and those of transfer that have a value anywhere.

    `overlap` is the mean over main's auxiliaries, NaN if any is undefined, and usable where all of them are. `mains`
    names each group's main task.
    """
    rows = with_measure(overlap)
    pairs = pd.concat([pairs_of_main(rows[rows["group"] == group], main) for group, main in mains.items()])
    by = ["measure", "metric", "outcome", "group", "seed", "step"]
    pairs = pairs.assign(usable=pairs["usable"].fillna(False).astype(bool), undefined=pairs["value"].isna())
    whole = {"overlap": ("value", "mean"), "usable": ("usable", "all"), "undefined": ("undefined", "any")}
    means = pairs.groupby(by, sort=False, as_index=False).agg(**whole)
    means = means.assign(overlap=means["overlap"].mask(means["undefined"])).drop(columns="undefined")
    shown = [*measures_among(transfer.columns), *OF_ACCURACY]
    shown = [name for name in shown if transfer[name].notna().any()] or list(OF_ACCURACY)
    return means.merge(transfer[["group", "seed", "step", *shown]], on=["group", "seed", "step"], how="left")


def _legend(seeds: Sequence[int]) -> list[go.Scatter]:
    colours, symbols = seed_colours(seeds), seed_symbols(seeds)
    markers = [{"symbol": symbols[seed], "size": 8, "color": colours[seed]} for seed in seeds]
    named = [
        legend_entry(run_name(seed), legendgroup=run_name(seed), mode="markers", marker=marker)
        for seed, marker in zip(seeds, markers, strict=True)
    ]
    return [*named, unusable_entry()]


def _layout(titles: Sequence[str], legend: Sequence[str]) -> go.Layout:
    wide = Arrangement(columns=2 if len(titles) <= 4 else 3, height=300)
    narrow = Arrangement(columns=1, height=240)
    return panel_layout(len(titles), wide, narrow, legend=legend, annotations=panel_titles(titles))


def _run(seed: int, seeds: Sequence[int], panel: int) -> go.Scatter:
    colour = seed_colours(seeds)[seed]
    return go.Scatter(
        mode="lines+markers",
        line={"color": tinted(colour, 0.35), "width": 1},
        marker={"size": 8, "color": colour, "line": {"color": colour, "width": 1.3}},
        name=run_name(seed),
        legendgroup=run_name(seed),
        showlegend=False,
        hovertemplate="step %{customdata}: overlap %{x:.3g}, transfer %{y:.3f}",
        **panel_axes(panel),
    )


def _points(part: Part | None, metric: str, symbol: str) -> dict[str, Any]:
    part = part or {"overlap": [], metric: [], "step": [], "usable": []}
    return {
        "type": "scatter",
        "x": part["overlap"],
        "y": part[metric],
        "customdata": part["step"],
        "marker": {"symbol": usable_symbols(part["usable"], symbol)},
    }


def _axes(points: pd.DataFrame, n_panels: int, overlap_metric: str, metric: str) -> dict[str, Any]:
    x = {"range": _range(points["overlap"]), "title": {"text": escaped(overlap_metric.replace("_", " "))}}
    y = {"range": _range(points[metric])}
    layout: dict[str, Any] = {}
    for index in range(n_panels):
        suffix = str(index + 1) if index else ""
        layout |= {f"xaxis{suffix}": x, f"yaxis{suffix}": y}
    return layout | {"yaxis": y | {"title": {"text": in_words(metric)}}}


def _range(values: pd.Series) -> list[float]:
    known = values.to_numpy(float)
    known = known[np.isfinite(known)]
    if not known.size:
        return [0.0, 1.0]
    low, high = float(known.min()), float(known.max())
    margin = 0.06 * (high - low) or 0.1
    return [float(f"{bound:.4g}") for bound in (low - margin, high + margin)]
