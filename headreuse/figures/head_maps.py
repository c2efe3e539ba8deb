"""Which heads does each task need, and do two tasks need the same? Ablation maps and task × task overlap."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.measures import is_distance, measures, with_measure
from headreuse.figures.panels import Panels, panel_axes, panel_titles
from headreuse.figures.style import FRACTION, MUTED, SIGNED, escaped, rounded_rows
from headreuse.figures.views import Choice, View, add_views, choice, keys

MAX_CELLS_WITH_NUMBERS = 64
"""Heads in a map up to which each cell shows its value."""


def ablation_maps(head_scores: pd.DataFrame, *, tasks: Sequence[str], baseline_floor: float = 0.0) -> go.Figure:
    """Effect of every head on each task of one group, side by side; red where the head helps.

    Args:
        head_scores: the `head_scores` rows of one group.
        tasks: in the order of the panels, main first.
        baseline_floor: a task with lower baseline accuracy is marked: where nothing works, nothing can drop.

    Views: method (where there are several), outcome, seed, step. The colour range is symmetric about 0 and one for all
    seeds, steps and tasks of an outcome.
    """
    choices = _choices(head_scores)
    fields = [entry.name for entry in choices]
    n_layers, n_heads = int(head_scores["layer"].max()) + 1, int(head_scores["head"].max()) + 1
    maps = _Maps(head_scores, fields, list(tasks), (n_layers, n_heads), baseline_floor)

    panels = Panels(len(tasks), columns=min(4, len(tasks)), height=_map_height(n_layers), margin=(46, 70, 24, 40))
    figure = go.Figure(layout=panels.layout(coloraxis={"colorscale": SIGNED, "colorbar": {"thickness": 12}}))
    for index in range(len(tasks)):
        figure.add_trace(_heatmap(index, n_layers, n_heads))
    figure.update_xaxes(title_text="head", dtick=1 if n_heads <= 16 else None, showgrid=False)
    figure.update_yaxes(dtick=1 if n_layers <= 16 else None, showgrid=False)
    figure.update_layout(yaxis={"title": {"text": "layer"}})
    return add_views(figure, choices, {key: maps.view(key) for key in keys(choices)})


class _Maps:
    """The maps of a group by task and choice."""

    def __init__(
        self, rows: pd.DataFrame, fields: list[str], tasks: list[str], shape: tuple[int, int], floor: float
    ) -> None:
        self.fields, self.tasks, self.shape, self.floor = fields, tasks, shape, floor
        texts = rows.assign(**{name: rows[name].astype(str) for name in fields})
        self.by_view = {tuple(key): of_view for key, of_view in texts.groupby([*fields, "task"], sort=False)}
        scale = [name for name in ("method", "outcome") if name in fields]
        self.limits = texts["effect"].abs().groupby([texts[name] for name in scale]).max().to_dict()

    def view(self, key: tuple[str, ...]) -> View:
        found = [self.by_view.get((*key, task)) for task in self.tasks]
        limit = self._limit(key)
        layout = {
            "annotations": panel_titles(
                [self._title(task, rows) for task, rows in zip(self.tasks, found, strict=True)]
            ),
            "coloraxis": {"cmin": -limit, "cmax": limit},
        }
        return View([{"type": "heatmap", "z": self._grid(rows)} for rows in found], layout)

    def _limit(self, key: tuple[str, ...]) -> float:
        chosen = dict(zip(self.fields, key, strict=True))
        scale = tuple(chosen[name] for name in ("method", "outcome") if name in chosen)
        limit = float(self.limits.get(scale[0] if len(scale) == 1 else scale, 0.0))
        return float(f"{limit:.4g}") if np.isfinite(limit) and limit > 0 else 1.0

    def _grid(self, rows: pd.DataFrame | None) -> list[list[float | None]]:
        grid = np.full(self.shape, np.nan)
        if rows is not None:
            grid[rows["layer"].to_numpy(int), rows["head"].to_numpy(int)] = rows["effect"]
        return rounded_rows(grid, 3)

    def _title(self, task: str, rows: pd.DataFrame | None) -> str:
        if rows is None:
            return f"{escaped(task)} <span style='color:{MUTED}'>not measured</span>"
        baseline = float(rows["baseline"].iloc[0])
        dead = rows["outcome"].iloc[0] == "exact_match" and baseline < self.floor
        note = f"baseline {baseline:.2f} at length {rows['length'].iloc[0]}" + (", below the floor" if dead else "")
        return f"{escaped(task)}<br><span style='color:{MUTED};font-size:11px'>{note}</span>"


def _choices(rows: pd.DataFrame) -> list[Choice]:
    outcomes = sorted(rows["outcome"].unique(), key=lambda name: name != "exact_match")
    choices = [choice("method", rows["method"].unique())] if rows["method"].nunique() > 1 else []
    choices.append(choice("outcome", outcomes))
    choices.append(choice("seed", sorted(rows["seed"].unique())))
    return [*choices, choice("step", sorted(rows["step"].unique()), last=True)]


def _map_height(n_layers: int) -> int:
    return int(np.clip(34 * n_layers, 110, 420))


def _heatmap(index: int, n_layers: int, n_heads: int) -> go.Heatmap:
    numbers = n_layers * n_heads <= MAX_CELLS_WITH_NUMBERS and n_heads <= 8
    return go.Heatmap(
        x=list(range(n_heads)),
        y=list(range(n_layers)),
        z=[],
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
        hoverongaps=False,
        hovertemplate="head %{y}.%{x}: %{z:.3g}<extra></extra>",
        texttemplate="%{z:.2f}" if numbers else None,
        **panel_axes(index),
    )


def overlap_matrices(overlap: pd.DataFrame, *, tasks: Sequence[str]) -> go.Figure:
    """Overlap between each two tasks of one group, a panel per seed, with the chance level on the colour bar.

    Views: measure (similarities only: metrics that are larger the more alike), step. Colours run from 0 to 1; the
    number in a cell is exact. A hollow ○ marks what is not usable.
    """
    alike = with_measure(overlap[[not is_distance(metric) for metric in overlap["metric"]]])
    seeds = sorted(alike["seed"].unique())
    choices = [choice("measure", measures(alike)), choice("step", sorted(alike["step"].unique()), last=True)]
    by_view = {
        tuple(map(str, key)): rows for key, rows in alike.groupby(["measure", "step", "seed"], sort=False)
    }  # fmt: skip
    panels = Panels(len(seeds), columns=min(3, len(seeds)), height=58 * len(tasks) + 20, margin=(120, 96, 24, 64))
    scale = {"colorscale": FRACTION, "cmin": 0, "cmax": 1, "colorbar": {"thickness": 12}}
    figure = go.Figure(layout=panels.layout(coloraxis=scale, annotations=panel_titles([f"seed {s}" for s in seeds])))
    for index in range(len(seeds)):
        figure.add_trace(_matrix(index, tasks))
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False, tickangle=0 if len(tasks) < 4 else -30)
    for index in range(1, len(seeds)):
        figure.layout[f"yaxis{index + 1}"].showticklabels = False
    views = {key: _matrix_view([by_view.get((*key, str(seed))) for seed in seeds], tasks) for key in keys(choices)}
    return add_views(figure, choices, views)


def _matrix(index: int, tasks: Sequence[str]) -> go.Heatmap:
    names = [escaped(task) for task in tasks]
    hover = "%{x} and %{y}: %{z:.3g}<br>chance %{customdata[0]:.2g}<extra></extra>"
    return go.Heatmap(
        x=names,
        y=names,
        z=[],
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
        texttemplate="%{text}",
        hoverongaps=False,
        hovertemplate=hover,
        **panel_axes(index),
    )


def _matrix_view(panels: Sequence[pd.DataFrame | None], tasks: Sequence[str]) -> View:
    order = {task: index for index, task in enumerate(tasks)}
    traces: list[dict[str, Any]] = []
    chances = []
    for rows in panels:
        value, chance = (np.full((len(tasks), len(tasks)), np.nan) for _ in range(2))
        text = np.full(value.shape, "", dtype=object)
        for row in () if rows is None else rows.itertuples():
            if row.task_a not in order or row.task_b not in order:
                continue
            for a, b in {(row.task_a, row.task_b), (row.task_b, row.task_a)}:
                place = order[a], order[b]
                value[place], chance[place] = row.value, row.chance
                text[place] = "" if np.isnan(row.value) else f"{row.value:.2f}{'' if row.usable else ' ○'}"
        chances.append(chance)
        traces.append(
            {"type": "heatmap", "z": rounded_rows(value), "text": text.tolist(),
             "customdata": [[[c] for c in row] for row in rounded_rows(chance)]}
        )  # fmt: skip
    return View(traces, {"coloraxis": {"colorbar": _chance_ticks(np.concatenate(chances) if chances else np.empty(0))}})


def _chance_ticks(chance: np.ndarray) -> dict[str, Any]:
    """Ticks of a colour bar from 0 to 1, with the mean chance level among them."""
    ticks = {0.0: "0", 0.25: "0.25", 0.5: "0.5", 0.75: "0.75", 1.0: "1"}
    if np.isfinite(chance).any():
        mean = float(np.nanmean(chance))
        ticks = {at: text for at, text in ticks.items() if abs(at - mean) > 0.07}
        ticks[round(mean, 3)] = f"chance {mean:.2f}"
    return {"tickvals": sorted(ticks), "ticktext": [ticks[at] for at in sorted(ticks)]}
