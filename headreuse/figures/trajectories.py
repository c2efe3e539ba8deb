"""How do transfer and overlap change while a model trains? Lines over steps, one for each seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.measures import measures, with_measure
from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.parts import Part, parts_by
from headreuse.figures.seeds import legend_entry, run_name, seed_line, seed_symbols, unusable_entry, usable_symbols
from headreuse.figures.steps import STEPS, StepAxis
from headreuse.figures.style import DASHES, MUTED, escaped, rounded
from headreuse.figures.views import Key, View, add_views, choice

REGIMES = {
    "accuracy_in_distribution": "main's training lengths",
    "accuracy_transfer": "longer, in the transfer range",
    "accuracy_beyond": "beyond the transfer range",
}
"""Columns of the transfer table and what they are called."""


@dataclass(frozen=True)
class Beside:
    """What is shown beside overlap."""

    title: str
    rows: pd.DataFrame
    """Columns seed, step and one for each line of a run, in the order of their dashes."""

    @property
    def lines(self) -> list[str]:
        """The columns that hold values."""
        return [str(name) for name in self.rows if name not in ("seed", "step")]


def gap_of(transfer: pd.DataFrame) -> Beside:
    """The generalization gap, from the `transfer` rows of one group."""
    return Beside("generalization gap", transfer[["seed", "step", "gap"]])


def overlap_over_steps(
    beside: Beside, overlap: pd.DataFrame, *, main: str, axis: StepAxis = STEPS, measure: str = ""
) -> go.Figure:
    """Overlap of main with each auxiliary over the steps of one group, a line per run; beside it what goes with it.

    Args:
        beside: transfer, or the tasks' accuracy.
        overlap: the `overlap` rows of one group.
        main: the main task.
        axis: of training.
        measure: that is shown first, where the rows have it.

    Views: measure. Hollow markers are checkpoints whose overlap is not usable; bars are its 95 % interval.
    """
    pairs = pairs_of_main(with_measure(overlap), main)
    seeds = sorted({*beside.rows["seed"], *pairs["seed"]})
    others = list(dict.fromkeys(pairs["task_b"]))
    choices = [choice("measure", measures(pairs), start=measure)]

    fixed = list(_lines_beside(beside, seeds, axis))
    fixed += _legend_of_pairs(others)
    lines = [_overlap_line(seed, seeds, other, dash, axis) for other, dash in _dashed(others) for seed in seeds]
    titles = [beside.title, f"overlap of {escaped(main)} with its auxiliaries"]
    legend = [str(trace.name) for trace in fixed if trace.showlegend is not False]
    wide, narrow = Arrangement(columns=2, height=260), Arrangement(columns=1, height=230)
    figure = go.Figure(layout=panel_layout(2, wide, narrow, legend=legend, annotations=panel_titles(titles)))
    figure.add_traces([*fixed, *lines])
    figure.update_xaxes(**axis.layout)
    figure.update_layout(yaxis={"rangemode": "tozero"}, xaxis2={"matches": "x"})

    parts = _parts(pairs)
    metrics = dict(zip(pairs["measure"], pairs["metric"], strict=True))
    views: dict[Key, View] = {}
    for measure in choices[0].values:
        drawn = [(parts.get((measure, other, str(seed))), seed) for other in others for seed in seeds]
        changes = [{"type": "scatter"} for _ in fixed] + list(_changes(drawn, seed_symbols(seeds), axis))
        views[measure,] = View(changes, {"yaxis2": {"title": {"text": escaped(metrics[measure])}}})
    return add_views(figure, choices, views)


def _parts(pairs: pd.DataFrame) -> dict[Key, Part]:
    """Overlap over steps by measure, auxiliary and seed, with how far its interval reaches above and below it."""
    value = pairs["value"]
    rows = pairs[["measure", "task_b", "seed", "step", "value"]].assign(
        above=pairs["ci_high"] - value,
        below=value - pairs["ci_low"],
        usable=pairs["usable"].fillna(False).astype(bool),
    )
    digits = {"value": 4, "above": 3, "below": 3}
    return parts_by(rows.sort_values("step", kind="stable"), ["measure", "task_b", "seed"], digits=digits)


def pairs_of_main(overlap: pd.DataFrame, main: str) -> pd.DataFrame:
    """The rows of main with an auxiliary; of directed metrics, those with main first."""
    return overlap[(overlap["task_a"] == main) & (overlap["task_b"] != main)]


def _legend_of_pairs(others: Sequence[str]) -> list[go.Scatter]:
    """What dashes and hollow markers mean."""
    dashes = [
        legend_entry(f"with {escaped(other)}", mode="lines", line={"color": MUTED, "dash": dash})
        for other, dash in _dashed(others)
    ]
    return [*(dashes if len(others) > 1 else []), unusable_entry()]


def _dashed(others: Sequence[str]) -> list[tuple[str, str]]:
    return [(other, DASHES[index % len(DASHES)]) for index, other in enumerate(others)]


def _lines_beside(beside: Beside, seeds: Sequence[int], axis: StepAxis) -> Iterator[go.Scatter]:
    for place, (name, dash) in enumerate(_dashed(beside.lines)):
        for seed in seeds:
            rows = beside.rows[beside.rows["seed"] == seed].sort_values("step")
            points: dict[str, Any] = {"x": axis.places(rows["step"]), "y": rounded(rows[name]), "dash": dash}
            hover = f"{axis.hover}: {escaped(name.replace('_', ' '))} %{{y:.3f}}"
            yield seed_line(seed, seeds, hovertemplate=hover, showlegend=None if place == 0 else False, **points)


def _overlap_line(seed: int, seeds: Sequence[int], other: str, dash: str, axis: StepAxis) -> go.Scatter:
    return seed_line(
        seed,
        seeds,
        dash=dash,
        name=f"{run_name(seed)} with {escaped(other)}",
        showlegend=False,
        hovertemplate=f"{axis.hover}: %{{y:.3g}}",
        error_y={"type": "data", "symmetric": False, "thickness": 0.8, "width": 0},
        **panel_axes(1),
    )


def _changes(
    drawn: Sequence[tuple[Part | None, int]], symbols: Mapping[int, str], axis: StepAxis
) -> Iterator[dict[str, Any]]:
    """What changes with the measure: values, hollow markers, intervals; of each line, with its seed."""
    for part, seed in drawn:
        line = part or {"step": [], "value": [], "above": [], "below": [], "usable": []}
        marker = {"symbol": usable_symbols(line["usable"], symbols[seed])}
        points = {"x": axis.places(line["step"]), "y": line["value"]}
        bars = {"array": line["above"], "arrayminus": line["below"]}
        yield {"type": "scatter", **points, "marker": marker, "error_y": bars}


def regimes(transfer: pd.DataFrame, *, axis: StepAxis = STEPS) -> go.Figure:
    """Main's accuracy over the steps of one group in each of the three regimes of length, a line per seed."""
    seeds = sorted(transfer["seed"].unique())
    shown = [name for name in REGIMES if transfer[name].notna().any()] or list(REGIMES)
    wide = Arrangement(columns=3, height=220, column_gap=0.06)
    narrow = Arrangement(columns=1, height=150)
    titles = panel_titles([REGIMES[name] for name in shown])
    legend = [run_name(seed) for seed in seeds]
    figure = go.Figure(layout=panel_layout(len(shown), wide, narrow, legend=legend, annotations=titles))
    for index, name in enumerate(shown):
        for seed in seeds:
            rows = transfer[transfer["seed"] == seed].sort_values("step")
            points: dict[str, Any] = {"x": axis.places(rows["step"]), "y": rounded(rows[name])}
            more: dict[str, Any] = {"showlegend": index == 0, "hovertemplate": f"{axis.hover}: %{{y:.3f}}"}
            figure.add_trace(seed_line(seed, seeds, **points, **more, **panel_axes(index)))
    figure.update_xaxes(**axis.layout)
    figure.update_yaxes(range=[-0.03, 1.05])
    figure.update_layout(yaxis={"title": {"text": "accuracy of main"}})
    return figure
