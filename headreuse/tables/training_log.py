"""The table of the training log: accuracy on a few examples while each model was trained."""

import pandas as pd

from headreuse.tables.base import study_table
from headreuse.tables.results import Results


@study_table("training_log", version=1)
def training_log(results: Results) -> pd.DataFrame:
    """One row per run, step, task and length."""
    return results.training_log()
