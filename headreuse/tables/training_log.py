"""The table of the training log: accuracy on a few examples while each model was trained."""

import pandas as pd

from headreuse.store.training_log import LogLine
from headreuse.tables.base import study_table
from headreuse.tables.columns import columns_of, common
from headreuse.tables.results import Results

MEANINGS = common("group", "seed") | columns_of(LogLine)
"""Of the columns."""


@study_table("training_log", version=1, columns=MEANINGS)
def training_log(results: Results) -> pd.DataFrame:
    """One row per run, step, task and length."""
    return results.training_log()
