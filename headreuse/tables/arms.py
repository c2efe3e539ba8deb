"""What difference does an arm make? Groups of one family against each other, each seed one observation.

Groups are compared that one entry of a study gives, or that name the same `twins`: with the same main task, trained to
the same length. Where they also have the same tasks, a seed starts both from the same weights, and they are compared
seed by seed; where one of them has other auxiliaries, or none, their seeds are separate.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from headreuse.study.group import Group
from headreuse.tables.base import Design, Tables, derived_table
from headreuse.tables.differences import compare_seeds, compare_twins

MEASURES = ("accuracy_transfer", "accuracy_in_distribution", "gap")
MEANINGS = {
    "group_a": "The first of two groups that differ in one thing alone.",
    "group_b": "The second.",
    "differs_in": "What they differ in: `heads`, `model` or `tasks`.",
    "measure": "What is compared, at each seed's last step: a column of the table `transfer`.",
    "value_a": "Median over the seeds of the first.",
    "value_b": "Median over the seeds of the second.",
    "difference": "Median difference, the first less the second.",
    "ci_low": "Lower end of an interval that encloses it in at least 92 % of studies; NaN with fewer than 5 seeds.",
    "ci_high": "Upper end of the same interval.",
    "p": "Two-sided and exact, of no difference, each seed one observation.",
    "least_p": "The smallest p that so many seeds can give.",
    "n_a": "Seeds of the first.",
    "n_b": "Seeds of the second.",
    "is_paired": "Whether they are compared seed by seed, because a seed starts both from the same weights.",
}
COLUMNS = list(MEANINGS)
"""Medians over seeds of both groups, and `difference`, the median of a less b, with its interval and p."""


@derived_table("arms", of=("transfer",), version=1, columns=MEANINGS)
def arms(tables: Tables, design: Design) -> pd.DataFrame:
    """One row per pair of groups of a family and measure, at each seed's last step: see `COLUMNS`."""
    last = last_steps(tables["transfer"])
    rows = [
        {"group_a": a.name, "group_b": b.name, "differs_in": differs_in, **row}
        for a, b, differs_in in comparable(design.groups)
        for row in _rows(last, a, b)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def comparable(groups: Sequence[Group]) -> Iterator[tuple[Group, Group, str]]:
    """Pairs that differ in one thing alone, in the order of the study, and in what: heads, model or tasks."""
    for a, b in combinations(groups, 2):
        is_one_family = a.twins is not None and a.twins == b.twins and a.is_trained_here and b.is_trained_here
        if not is_one_family or a.main != b.main or a.transfer_to != b.transfer_to or a.training != b.training:
            continue
        differs = {
            "tasks": set(a.auxiliary) != set(b.auxiliary),
            "heads": a.heads_of(a.main.task) != b.heads_of(b.main.task) or _heads_differ(a, b),
            "model": a.model != b.model,
        }
        found = [name for name, differ in differs.items() if differ]
        if len(found) == 1:
            yield a, b, found[0]


def _heads_differ(a: Group, b: Group) -> bool:
    both = set(a.task_names) & set(b.task_names)
    return any(a.heads_of(task) != b.heads_of(task) for task in both)


def last_steps(transfer: pd.DataFrame) -> pd.DataFrame:
    """The last row of each run, under its group and seed."""
    if not len(transfer):
        return transfer.set_index(["group", "seed"])
    return transfer.loc[transfer.groupby(["group", "seed"])["step"].idxmax()].set_index(["group", "seed"])


def _rows(last: pd.DataFrame, a: Group, b: Group) -> Iterator[dict[str, object]]:
    there = set(last.index.get_level_values("group")) if len(last) else set()
    if not {a.name, b.name} <= there:
        return
    is_paired = a.task_names == b.task_names
    for measure in MEASURES:
        of_a, of_b = (last[measure].astype(float).xs(group.name, level="group").dropna() for group in (a, b))
        if is_paired:
            both = of_a.index.intersection(of_b.index)
            of_a, of_b = of_a[both], of_b[both]
        if not (len(of_a) and len(of_b)):
            continue
        found = compare_twins(of_a, of_b) if is_paired else compare_seeds(of_a, of_b, paired=False)
        yield {
            "measure": measure,
            "value_a": np.median(of_a),
            "value_b": np.median(of_b),
            "difference": found.difference,
            "ci_low": found.ci_low,
            "ci_high": found.ci_high,
            "p": found.p,
            "least_p": found.smallest_p,
            "n_a": len(of_a),
            "n_b": len(of_b),
            "is_paired": is_paired,
        }
