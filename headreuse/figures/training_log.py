"""When is each length learned, and does it stay learned? Accuracy over steps as it was logged during training."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from headreuse.figures.panels import Arrangement, panel_axes, panel_layout, panel_titles
from headreuse.figures.seeds import run_name, seed_line
from headreuse.figures.style import rounded
from headreuse.figures.views import View, add_views, choice
from headreuse.store.training_log import REGIMES

TITLES = {
    "in_distribution": "longest training length of the task",
    "transfer": "longer, in the transfer range",
    "beyond": "beyond the transfer range",
}


def training_log(log: pd.DataFrame) -> go.Figure:
    """Accuracy over the steps of one group, a panel for each regime that was logged and a line for each seed.

    Args:
        log: the `training_log` rows of one group, whose tasks have at most one length in each regime.

    Views: task, main first.
    """
    seeds = sorted(log["seed"].unique())
    shown = [regime for regime in REGIMES if (log["regime"] == regime).any()]
    choices = [choice("task", list(log.sort_values("role", ascending=False, kind="stable")["task"].unique()))]
    wide = Arrangement(columns=3, height=220, column_gap=0.06)
    titles = panel_titles([TITLES[regime] for regime in shown])
    legend = [run_name(seed) for seed in seeds]
    figure = go.Figure(
        layout=panel_layout(len(shown), wide, Arrangement(columns=1, height=150), legend=legend, annotations=titles)
    )
    for index in range(len(shown)):
        for seed in seeds:
            line = seed_line(seed, seeds, mode="lines", showlegend=index == 0, **panel_axes(index))
            figure.add_trace(line.update(hovertemplate="step %{x}: %{y:.3f} at length %{customdata}"))
    figure.update_xaxes(title_text="training step")
    figure.update_yaxes(range=[-0.03, 1.05])
    figure.update_layout(yaxis={"title": {"text": "exact-match accuracy"}})
    rows = dict(list(log.sort_values("step").groupby(["task", "regime", "seed"])))
    views: dict[tuple[str, ...], View] = {
        (task,): View([_points(rows.get((task, regime, seed), log.iloc[:0])) for regime in shown for seed in seeds])
        for task in choices[0].values
    }
    return add_views(figure, choices, views)


def _points(rows: pd.DataFrame) -> dict[str, Any]:
    points = {"x": rows["step"].tolist(), "y": rounded(rows["accuracy"], 3), "customdata": rows["length"].tolist()}
    return {"type": "scatter", **points}
