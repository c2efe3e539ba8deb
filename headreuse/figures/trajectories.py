"""How do transfer and overlap go on while a model trains? Lines over steps, one for each seed."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.measures import measures, with_measure
from headreuse.figures.panels import Panels, panel_axes, panel_titles
from headreuse.figures.style import DASHES, escaped, rounded, seed_colours, seed_symbols
from headreuse.figures.views import Key, View, add_views, choice

REGIMES = {
    "accuracy_in_distribution": "within main's training lengths",
    "accuracy_transfer": "longer, up to the auxiliary's",
    "accuracy_beyond": "beyond both",
}
"""Columns of the transfer table and what they are called."""


def overlap_and_gap(transfer: pd.DataFrame, overlap: pd.DataFrame, *, main: str) -> go.Figure:
    """Generalization gap and overlap of main with each auxiliary over the steps of one group, a line per seed.

    Args:
        transfer: the `transfer` rows of one group.
        overlap: its `overlap` rows; those of pairs without `main` are left out.
        main: the main task.

    Views: measure. Hollow markers are checkpoints whose overlap is not usable; bars are its 95 % interval.
    """
    pairs = pairs_of_main(with_measure(overlap), main)
    seeds = sorted({*transfer["seed"], *pairs["seed"]})
    others = list(dict.fromkeys(pairs["other"]))
    choices = [choice("measure", measures(pairs))]

    panels = Panels(2, columns=2, height=260, margin=(58, 14, 24, 48), narrow_legend_rows=1 + len(others))
    titles = ["generalization gap", f"overlap of {escaped(main)} with its auxiliaries"]
    figure = go.Figure(layout=panels.layout(annotations=panel_titles(titles)))
    gaps = [_gap_line(transfer[transfer["seed"] == seed], seed, seeds) for seed in seeds]
    figure.add_traces(gaps)
    for dash, other in zip(_dashes(others), others, strict=True):
        figure.add_traces([_overlap_line(seed, seeds, other, dash, named=len(others) > 1) for seed in seeds])
    figure.update_layout(xaxis={"title": {"text": "training step"}}, xaxis2={"title": {"text": "training step"}})
    figure.update_layout(yaxis={"rangemode": "tozero"}, xaxis2={"matches": "x"})
    views: dict[Key, View] = {
        (measure,): View([{"type": "scatter"} for _ in gaps] + _changes(rows, seeds, others), _measure_axis(measure))
        for measure, rows in pairs.groupby("measure", sort=False)
    }
    return add_views(figure, choices, {key: views[key] for key in [(name,) for name in choices[0].values]})


def pairs_of_main(overlap: pd.DataFrame, main: str) -> pd.DataFrame:
    """The rows of pairs that `main` is one of, with the other task in a column `other`."""
    rows = overlap[(overlap["task_a"] == main) != (overlap["task_b"] == main)]
    return rows.assign(other=rows["task_b"].where(rows["task_a"] == main, rows["task_a"]))


def _dashes(others: Sequence[str]) -> list[str]:
    return [DASHES[index % len(DASHES)] for index in range(len(others))]


def _gap_line(rows: pd.DataFrame, seed: int, seeds: Sequence[int]) -> go.Scatter:
    rows = rows.sort_values("step")
    return _seed_line(
        seed,
        seeds,
        x=rows["step"].tolist(),
        y=rounded(rows["gap"]),
        name=f"seed {seed}",
        hovertemplate="step %{x}: gap %{y:.3f}",
    )


def _seed_line(seed: int, seeds: Sequence[int], **more: Any) -> go.Scatter:
    colour, symbol = seed_colours(seeds)[seed], seed_symbols(seeds)[seed]
    dash = more.pop("dash", "solid")
    return go.Scatter(
        mode="lines+markers",
        line={"color": colour, "width": 1.8, "dash": dash},
        marker={"symbol": symbol, "size": 7, "color": colour, "line": {"color": colour, "width": 1.2}},
        legendgroup=f"seed {seed}",
        **more,
    )


def _overlap_line(seed: int, seeds: Sequence[int], other: str, dash: str, *, named: bool) -> go.Scatter:
    return _seed_line(
        seed,
        seeds,
        dash=dash,
        name=f"seed {seed}, with {escaped(other)}",
        showlegend=named,
        hovertemplate="step %{x}: %{y:.3g}",
        error_y={"type": "data", "symmetric": False, "thickness": 0.8, "width": 0},
        **panel_axes(1),
    )


def _changes(rows: pd.DataFrame, seeds: Sequence[int], others: Sequence[str]) -> list[dict[str, Any]]:
    """What differs between measures: values, hollow markers, intervals; in the order of the lines."""
    symbols = seed_symbols(seeds)
    by_line = dict(list(rows.sort_values("step").groupby(["other", "seed"])))
    changes: list[dict[str, Any]] = []
    for other in others:
        for seed in seeds:
            line = by_line.get((other, seed), rows.iloc[:0])
            value = line["value"].to_numpy(float)
            change: dict[str, Any] = {
                "x": line["step"].tolist(),
                "y": rounded(value),
                "marker": {"symbol": usable_symbols(line["usable"], symbols[seed])},
                "error_y": {
                    "array": rounded(line["ci_high"].to_numpy(float) - value, 3),
                    "arrayminus": rounded(value - line["ci_low"].to_numpy(float), 3),
                },
            }
            changes.append({"type": "scatter", **change})
    return changes


def usable_symbols(usable: pd.Series, symbol: str) -> list[str]:
    """A filled marker for each usable point and a hollow one for the others."""
    return [symbol if flag else f"{symbol}-open" for flag in usable.fillna(False).astype(bool)]


def _measure_axis(measure: str) -> dict[str, Any]:
    return {"yaxis2": {"title": {"text": escaped(measure)}}}


def regimes(transfer: pd.DataFrame) -> go.Figure:
    """Main's accuracy over the steps of one group in each of the three regimes of length, a line per seed."""
    seeds = sorted(transfer["seed"].unique())
    shown = [name for name in REGIMES if transfer[name].notna().any()] or list(REGIMES)
    panels = Panels(len(shown), columns=3, height=220, narrow_height=170, margin=(52, 14, 24, 48), column_gap=0.06)
    figure = go.Figure(layout=panels.layout(annotations=panel_titles([REGIMES[name] for name in shown])))
    for index, name in enumerate(shown):
        for seed in seeds:
            rows = transfer[transfer["seed"] == seed].sort_values("step")
            figure.add_trace(
                _seed_line(
                    seed,
                    seeds,
                    x=rows["step"].tolist(),
                    y=rounded(rows[name]),
                    name=f"seed {seed}",
                    showlegend=index == 0,
                    hovertemplate="step %{x}: %{y:.3f}",
                    **panel_axes(index),
                )
            )
    figure.update_xaxes(title_text="training step")
    figure.update_yaxes(range=[-0.03, 1.05])
    figure.update_layout(yaxis={"title": {"text": "accuracy of main"}})
    return figure
