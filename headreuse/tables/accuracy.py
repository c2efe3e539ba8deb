"""The table of accuracies: how often each task's whole answer is right, by length."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy import stats

from headreuse.measurements.evaluation import Evaluations
from headreuse.records import Evaluation
from headreuse.tables.base import checkpoint_table
from headreuse.tables.columns import common
from headreuse.tables.results import MeasuredCheckpoint

MEANINGS = common("task", "role", "length", "n") | {
    "accuracy": "Share of them whose whole answer is right, from 0 to 1.",
    "ci_low": "Lower end of its 95 % interval over examples, exact (Clopper and Pearson).",
    **common("ci_high"),
}
"""Of the columns."""


@checkpoint_table("accuracy", version=1, columns=MEANINGS)
def accuracy(checkpoint: MeasuredCheckpoint) -> pd.DataFrame:
    """One row per task and length: task, role, length, n, accuracy, ci_low, ci_high (95 %, exact)."""
    rows = accuracy_rows(entry for found in checkpoint.results(Evaluations) for entry in found)
    rows.insert(1, "role", rows["task"].map(checkpoint.group.role))
    return rows


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
