"""An exhibit of the report: a figure, what to look at, and its numbers; and what all exhibits share."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headreuse.figures import StepAxis, step_axis
from headreuse.report.inputs import ReportInputs
from headreuse.report.tables import Table
from headreuse.report.words import is_given
from headreuse.study.config import Study
from headreuse.study.group import Group

MAX_SLIDER_STEPS = 24
"""A slider has at most this many checkpoints; more would make a large page that is no easier to read."""
MAX_SLIDER_ROWS = 60_000
"""About as many numbers go with one slider; a page then has a few megabytes."""
MIN_SLIDER_STEPS = 3


@dataclass(frozen=True)
class Exhibit:
    """A figure, or none, one sentence on what to look at, and its numbers."""

    id: str
    """Fixed, so that the same tables give the same page."""
    title: str
    look: str
    figure: go.Figure | None
    """None where numbers say it as well."""
    tables: tuple[Table, ...]
    """Each shows the rows of the view that is chosen in the figure."""
    is_wide: bool = False
    """Whether it takes the whole width of a wide page."""
    plot_share: float = 1.0
    """Fraction of its width that the plot fills, so that panels are as large as in other groups."""
    shows: str = ""
    """What is found in it, which then stands as its title, where a sentence can say it."""


def title(group: Group) -> str:
    """Name and kind of a group."""
    return f"{group.name} · {group.kind}"


def tasks(group: Group) -> list[str]:
    """Names of a group's tasks, main first."""
    return [entry.task for entry in group.tasks]


def share(study: Study, group: Group) -> float:
    """The number of a group's tasks as a fraction of the largest group's."""
    return len(group.tasks) / max(len(other.tasks) for other in study.groups)


def axis_of(inputs: ReportInputs, group: Group) -> StepAxis:
    """The axis of training for one group: steps of the pretraining where models are fine-tuned from several."""
    title = "training step" if group.source is None or is_given(group) else "pretraining step"
    return step_axis(inputs.of_group("checkpoints", group), is_given=is_given(group), title=title)


def on_slider(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows of some checkpoints, evenly spaced to the last, and a note if not all.

    At most `MAX_SLIDER_STEPS`, and fewer where models have so many heads that the page would become large.
    """
    steps = sorted(rows["step"].unique())
    most = int(np.clip(MAX_SLIDER_ROWS * len(steps) // max(len(rows), 1), MIN_SLIDER_STEPS, MAX_SLIDER_STEPS))
    if len(steps) <= most:
        return rows, ""
    shown = [steps[place] for place in np.linspace(0, len(steps) - 1, most).round().astype(int)]
    note = f" The slider and the table have {len(shown)} of {len(steps)} checkpoints."
    return rows[rows["step"].isin(shown)], note
