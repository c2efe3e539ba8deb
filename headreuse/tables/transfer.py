"""How far does a main task extrapolate towards the lengths of its auxiliaries? Gap, transfer fraction and regimes.

All are of the exact-match accuracy `acc_t(n)` of task t at length n (Cai et al. 2025, arXiv 2506.09251, on measuring
length transfer):

- generalization gap = mean of |acc_aux(n) − acc_main(n)| over the evaluated lengths up to `group.trained_to`, from the
  tasks' common smallest length; 0 is full transfer. Several auxiliaries are first averaged to one curve.
- transfer fraction τ = 1 − gap / (1 − min/max of the two training lengths): 1 is full transfer, 0 none. This reference
  is the gap of two tasks that are right up to their own training length and nowhere else, over the same lengths.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from headreuse.study.group import Group
from headreuse.study.transfer_rows import OWN_COLUMNS, WITH_INTERVAL, measures_among
from headreuse.tables.base import Design, Tables, derived_table
from headreuse.tables.columns import FURTHER, PLACE

CHECKPOINT = ["group", "seed", "step"]
"""The columns that identify a checkpoint."""
_TAIL = 0.025


MEANINGS = PLACE | {
    "gap": "Mean distance of main's accuracy from the auxiliaries', over the lengths trained on; 0 is full transfer.",
    "transfer_fraction": "1 less the gap over the gap without any transfer: 1 is full transfer, 0 none.",
    "accuracy_in_distribution": "Main's mean accuracy, from 0 to 1, at the lengths that it was trained on.",
    "accuracy_transfer": "The same at longer ones, up to the end of the transfer range.",
    "accuracy_beyond": "The same beyond that.",
    "accuracy_at_max": "Main's accuracy at its longest training length.",
    "accuracy_auxiliary": "The auxiliaries' mean accuracy over the lengths of the gap.",
    **{
        f"{name}_{end}": f"{which} end of the 95 % interval of `{name}` over other examples of the same checkpoint."
        for name in WITH_INTERVAL
        for end, which in (("ci_low", "Lower"), ("ci_high", "Upper"))
    },
    FURTHER: "Measures of the study's file of transfer, under their own names.",
}
"""Of the columns."""


@derived_table("transfer", of=("accuracy", "measured_transfer"), version=2, columns=MEANINGS)
def transfer(tables: Tables, design: Design) -> pd.DataFrame:
    """The table of transfers: see `transfer_table`; with the columns of transfer that was measured elsewhere."""
    return with_measured(transfer_table(tables["accuracy"], design.groups), tables["measured_transfer"])


def with_measured(of_accuracy: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """A row for each checkpoint of either table, and the columns of both; NaN where one of them lacks it."""
    if not len(measured):
        return of_accuracy
    if not len(of_accuracy):
        return measured.reindex(columns=[*OWN_COLUMNS, *measures_among(measured.columns)])
    tables = [table.set_index(CHECKPOINT) for table in (of_accuracy, measured)]
    checkpoints = tables[0].index.append(tables[1].index.difference(tables[0].index, sort=False))
    return pd.concat([table.reindex(checkpoints) for table in tables], axis=1).reset_index()


def no_transfer_gap(group: Group) -> float:
    """The gap without any transfer: 1 − min/max of main's and the longest auxiliary's training length; NaN if alone."""
    if not (group.auxiliary and group.has_lengths):
        return np.nan
    auxiliary_length = max(entry.max_length for entry in group.auxiliary)
    return 1 - min(group.main.max_length, auxiliary_length) / max(group.main.max_length, auxiliary_length)


def transfer_fraction(gap: pd.Series, group: Group) -> pd.Series:
    """τ of a gap: 1 for full transfer, 0 for none, below 0 for worse than none; NaN for equal training lengths."""
    reference = no_transfer_gap(group)
    return 1 - gap / reference if reference else gap * np.nan


def transfer_table(accuracy: pd.DataFrame, groups: Sequence[Group]) -> pd.DataFrame:
    """One row per group, seed and step of the `accuracy` table (columns group, seed, step, task, length, accuracy, n).

    Columns, all in units of accuracy (0 to 1) except the dimensionless `transfer_fraction`:

    - gap, transfer_fraction: NaN without an auxiliary, and τ also where main and auxiliary are trained to one length;
    - accuracy_in_distribution, accuracy_transfer, accuracy_beyond: main's mean accuracy at its training lengths, at
      longer ones up to `group.transfer_to`, and beyond that; NaN where a regime has no length;
    - accuracy_at_max: main's accuracy at its longest training length;
    - accuracy_auxiliary: the auxiliaries' mean accuracy over the lengths of the gap;
    - for the first five also `<name>_ci_low` and `<name>_ci_high`: the 95 % interval over other examples of the same
      checkpoint, with the examples of two tasks as independent. How seeds differ is not in it: see `tables/seeds.py`.
    """
    # Files of prompts without lengths have no gap between lengths.
    accuracy = accuracy[accuracy["length"] > 0]
    tables = [_group_transfer(accuracy, group) for group in groups]
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def curves(accuracy: pd.DataFrame, group: Group, *, values: str = "accuracy") -> pd.DataFrame:
    """Accuracy of a group's tasks (columns, main first) by seed, step and length (index); NaN where not evaluated."""
    rows = accuracy[accuracy["group"] == group.name]
    wide = rows.pivot(index=["seed", "step", "length"], columns="task", values=values)
    return wide.reindex(columns=[entry.task for entry in group.tasks])


def _group_transfer(accuracy: pd.DataFrame, group: Group) -> pd.DataFrame:
    wide, variance = curves(accuracy, group), _variances(accuracy, group)
    length = wide.index.get_level_values("length")
    names = [entry.task for entry in group.auxiliary]
    main, auxiliary = wide[group.main.task], wide[names].mean(axis=1, skipna=False)
    main_to, trained_to, transfer_to = group.main.max_length, group.trained_to, group.transfer_to
    main_variance = variance[group.main.task]
    gap_variance = main_variance + variance[names].sum(axis=1, skipna=False) / max(1, len(names)) ** 2
    gap = _mean_with_interval((auxiliary - main).abs()[length <= trained_to], gap_variance)
    found = {
        "gap": gap,
        "transfer_fraction": [transfer_fraction(gap[i], group) for i in (0, 2, 1)],
        "accuracy_in_distribution": _mean_with_interval(main[length <= main_to], main_variance),
        "accuracy_transfer": _mean_with_interval(main[(length > main_to) & (length <= transfer_to)], main_variance),
        "accuracy_beyond": _mean_with_interval(main[length > transfer_to], main_variance),
        "accuracy_at_max": [_mean_by_checkpoint(main[length == main_to])],
        "accuracy_auxiliary": [_mean_by_checkpoint(auxiliary[(length <= trained_to) & main.notna()])],
    }
    columns = {name: values[0] for name, values in found.items()}
    for name, values in found.items():
        columns |= {f"{name}_{end}": limit for end, limit in zip(("ci_low", "ci_high"), values[1:], strict=False)}
    checkpoints = pd.MultiIndex.from_frame(wide.index.to_frame()[CHECKPOINT[1:]].drop_duplicates())
    table = pd.DataFrame(columns, index=checkpoints).reset_index()
    table.insert(0, "group", group.name)
    return table


def _variances(accuracy: pd.DataFrame, group: Group) -> pd.DataFrame:
    """Sampling variance of each accuracy, that of (k + 1) / (n + 2), which is above 0 even where all are right."""
    if "n" not in accuracy:
        return curves(accuracy.assign(variance=np.nan), group, values="variance")
    n = accuracy["n"]
    shrunk = (accuracy["accuracy"] * n + 1) / (n + 2)
    return curves(accuracy.assign(variance=shrunk * (1 - shrunk) / n), group, values="variance")


def _mean_with_interval(values: pd.Series, variance: pd.Series) -> list[pd.Series]:
    """Mean over lengths at each checkpoint, and the ends of its interval, within 0 and 1."""
    known = values.dropna()
    mean = _mean_by_checkpoint(known)
    by_checkpoint = variance.reindex(known.index).groupby(level=CHECKPOINT[1:])
    half = stats.norm.isf(_TAIL) * np.sqrt(by_checkpoint.sum(min_count=1)) / by_checkpoint.size()
    return [mean, (mean - half).clip(0, 1), (mean + half).clip(0, 1)]


def _mean_by_checkpoint(values: pd.Series) -> pd.Series:
    return values.groupby(level=CHECKPOINT[1:]).mean()
