"""The table of accuracies: how often each task's whole answer is right, by length."""

import pandas as pd

from headreuse.measurements.evaluation import Evaluations
from headreuse.tables.base import checkpoint_table
from headreuse.tables.results import MeasuredCheckpoint
from headreuse.tables.transfer import accuracy_rows


@checkpoint_table("accuracy", version=1)
def accuracy(checkpoint: MeasuredCheckpoint) -> pd.DataFrame:
    """One row per task and length: task, role, length, n, accuracy, ci_low, ci_high (95 %, exact)."""
    rows = accuracy_rows(entry for found in checkpoint.results(Evaluations) for entry in found)
    rows.insert(1, "role", rows["task"].map(checkpoint.group.role))
    return rows
