"""The table of clocks: when does each run reach each level of accuracy?"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from headreuse.correlation import crossings
from headreuse.correlation.clocks import LEVELS
from headreuse.correlation.panels import learning_of
from headreuse.study.group import Group
from headreuse.tables.base import Design, Tables, derived_table
from headreuse.tables.columns import common

MEANINGS = common("group", "seed") | {
    "role": "`main`, or `auxiliaries` for their mean.",
    "level": "A level of accuracy.",
    "step": "The step at which it is first reached, between checkpoints in log step; NaN where that is not seen.",
}
COLUMNS = tuple(MEANINGS)
ROLES = {"main": "main", "auxiliary": "auxiliaries"}
"""The columns of accuracies and how the table calls them: the main task, and the mean of its auxiliaries."""


@derived_table("clocks", of=("overlap", "training_log"), version=2, columns=MEANINGS)
def clocks(tables: Tables, design: Design) -> pd.DataFrame:
    """Columns `COLUMNS`: the step at which main, or the mean of the auxiliaries, first has an accuracy of `level`.

    At the length of the head scores; interpolated in log step between checkpoints, and of main also between the looks
    of the training log. NaN where the level is not seen to be crossed, because it is reached at the first of them
    already, or never.
    """
    return clocks_table(tables["overlap"], design.groups, tables["training_log"])


def clocks_table(
    overlap: pd.DataFrame, groups: Sequence[Group], training_log: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The table from the `overlap` table and the training log."""
    found = [row for group in groups for row in _of_group(overlap, group, training_log)] if len(overlap) else []
    return pd.DataFrame(found, columns=list(COLUMNS))


def _of_group(overlap: pd.DataFrame, group: Group, training_log: pd.DataFrame | None) -> Iterator[tuple[object, ...]]:
    rows = overlap[(overlap["group"] == group.name) & (overlap["task_a"] == group.main.task)]
    if not len(rows):
        return
    accuracies = learning_of(rows, training_log, group)
    for column, role in ROLES.items():
        by_run = accuracies[column].unstack("step").sort_index(axis=0).sort_index(axis=1)
        steps = by_run.columns.to_numpy(dtype=int)
        crossed = np.expm1(crossings(by_run.to_numpy(dtype=float), steps))
        for seed, times in zip(by_run.index, crossed, strict=True):
            yield from ((group.name, seed, role, level, step) for level, step in zip(LEVELS, times, strict=True))
