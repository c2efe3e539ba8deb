"""How far does a main task extrapolate towards the lengths of its auxiliaries? Gap, transfer fraction and regimes.

All are of the exact-match accuracy `acc_t(n)` of task t at length n (`reference/paper.md`, Measures):

- generalization gap = mean of |acc_aux(n) − acc_main(n)| over the evaluated lengths up to the longest trained on,
  from the tasks' common smallest length; 0 is full transfer. Several auxiliaries are first averaged to one curve.
- transfer fraction τ = 1 − gap / (1 − min/max of the two train lengths): 1 is full transfer, 0 none.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy import stats

from headreuse.config import Group
from headreuse.records import Evaluation

CHECKPOINT = ["group", "seed", "step"]
"""The columns that tell one checkpoint from another."""


def clopper_pearson(
    n_correct: Int[np.ndarray, "..."] | int, n: Int[np.ndarray, "..."] | int, confidence: float = 0.95
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Lower and upper limit of a proportion `n_correct / n`, exact (never below the stated coverage); elementwise."""
    n_correct, n = np.asarray(n_correct), np.asarray(n)
    tail = (1 - confidence) / 2
    low = np.where(n_correct == 0, 0.0, stats.beta.ppf(tail, np.maximum(n_correct, 1), n - n_correct + 1))
    high = np.where(n_correct == n, 1.0, stats.beta.isf(tail, n_correct + 1, np.maximum(n - n_correct, 1)))
    return low, high


def accuracy_rows(evaluations: Iterable[Evaluation]) -> pd.DataFrame:
    """One row per evaluation: task, length, n, accuracy (whole answer, 0 to 1), ci_low, ci_high (95 %, exact)."""
    rows = [
        (entry.task, entry.length, len(entry.outcomes["exact_match"]), int(entry.outcomes["exact_match"].sum()))
        for entry in evaluations
    ]
    table = pd.DataFrame(rows, columns=["task", "length", "n", "n_correct"])
    low, high = clopper_pearson(table["n_correct"].to_numpy(), table["n"].to_numpy())
    table["accuracy"] = table["n_correct"] / table["n"]
    return table.drop(columns="n_correct").assign(ci_low=low, ci_high=high)


def no_transfer_gap(group: Group) -> float:
    """The gap without any transfer: 1 − min/max of main's and the longest auxiliary's train length; NaN if alone."""
    if not group.auxiliary:
        return np.nan
    auxiliary_length = max(entry.max_length for entry in group.auxiliary)
    return 1 - min(group.main.max_length, auxiliary_length) / max(group.main.max_length, auxiliary_length)


def transfer_fraction(gap: Float[np.ndarray, "..."], group: Group) -> Float[np.ndarray, "..."]:
    """τ of a gap: 1 for full transfer, 0 for none, below 0 for worse than none; NaN for equal train lengths."""
    reference = no_transfer_gap(group)
    return 1 - gap / reference if reference else np.full_like(gap, np.nan)


def transfer_table(accuracy: pd.DataFrame, groups: Sequence[Group]) -> pd.DataFrame:
    """One row per group, seed and step of the `accuracy` table (columns group, seed, step, task, length, accuracy).

    Columns, all in units of accuracy (0 to 1) but the dimensionless `transfer_fraction`:

    - gap, transfer_fraction: NaN without an auxiliary, and τ also where main and auxiliary train to one length;
    - accuracy_in_distribution, accuracy_transfer, accuracy_beyond: main's mean accuracy within its own train lengths,
      from there to the auxiliaries' longest, and past both; NaN where a regime has no length;
    - accuracy_at_max: main's accuracy at its own longest train length;
    - accuracy_auxiliary: the auxiliaries' mean accuracy over the lengths of the gap.
    """
    return pd.concat([_empty(), *(_group_transfer(accuracy, group) for group in groups)], ignore_index=True)


def _empty() -> pd.DataFrame:
    names = ["gap", "transfer_fraction", "accuracy_in_distribution", "accuracy_transfer", "accuracy_beyond"]
    floats = {name: pd.Series(dtype=float) for name in [*names, "accuracy_at_max", "accuracy_auxiliary"]}
    return pd.DataFrame(
        {"group": pd.Series(dtype=str), "seed": pd.Series(dtype=int), "step": pd.Series(dtype=int), **floats}
    )


def curves(accuracy: pd.DataFrame, group: Group) -> pd.DataFrame:
    """Accuracy of a group's tasks (columns, main first) by seed, step and length (index); NaN where not evaluated."""
    rows = accuracy[accuracy["group"] == group.name]
    wide = rows.pivot(index=["seed", "step", "length"], columns="task", values="accuracy")
    return wide.reindex(columns=[entry.task for entry in group.tasks])


def _group_transfer(accuracy: pd.DataFrame, group: Group) -> pd.DataFrame:
    wide = curves(accuracy, group)
    length = wide.index.get_level_values("length")
    main = wide[group.main.task]
    auxiliary = wide[[entry.task for entry in group.auxiliary]].mean(axis=1, skipna=False)
    own, longest = group.main.max_length, group.max_length
    series = {
        "gap": (auxiliary - main).abs()[length <= longest],
        "accuracy_in_distribution": main[length <= own],
        "accuracy_transfer": main[(length > own) & (length <= longest)],
        "accuracy_beyond": main[length > longest],
        "accuracy_at_max": main[length == own],
        "accuracy_auxiliary": auxiliary[(length <= longest) & main.notna()],
    }
    means = {name: values.groupby(level=["seed", "step"]).mean() for name, values in series.items()}
    checkpoints = wide.index.droplevel("length").unique()
    table = pd.DataFrame(means, index=checkpoints).reset_index()
    table.insert(0, "group", group.name)
    table.insert(4, "transfer_fraction", transfer_fraction(table["gap"].to_numpy(), group))
    return table
