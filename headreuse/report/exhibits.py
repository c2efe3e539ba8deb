"""A figure of the report with what to look at and its numbers, and what the exhibits of all kinds share."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headreuse.report.tables import Table
from headreuse.study.config import Group, Study

MAX_SLIDER_STEPS = 24
"""Checkpoints that a slider has; more make a large page and are no easier to read."""


@dataclass(frozen=True)
class Exhibit:
    """A figure, one sentence on what to look at, and its numbers."""

    id: str
    """Fixed, so that the same tables give the same page."""
    title: str
    look: str
    figure: go.Figure
    tables: tuple[Table, ...]
    """Each follows what is chosen in the figure."""
    is_wide: bool = False
    """Whether it takes the whole width of a wide page."""
    plot_share: float = 1.0
    """Fraction of its width that the plot fills, so that panels are as large as those of other groups."""


def title(group: Group) -> str:
    """Name and kind of a group."""
    return f"{group.name} · {group.kind}"


def tasks(group: Group) -> list[str]:
    """Names of a group's tasks, main first."""
    return [entry.task for entry in group.tasks]


def share(study: Study, group: Group) -> float:
    """Tasks of a group as a fraction of those of the largest group."""
    return len(group.tasks) / max(len(other.tasks) for other in study.groups)


def on_slider(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Rows of as many checkpoints as a slider has, evenly spaced with the last, and a note where that is not all."""
    steps = sorted(rows["step"].unique())
    if len(steps) <= MAX_SLIDER_STEPS:
        return rows, ""
    shown = [steps[place] for place in np.linspace(0, len(steps) - 1, MAX_SLIDER_STEPS).round().astype(int)]
    note = f" The slider and the table have {len(shown)} of {len(steps)} checkpoints."
    return rows[rows["step"].isin(shown)], note
