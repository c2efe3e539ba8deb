"""The table of transfers: how far main extrapolates at each checkpoint."""

from collections.abc import Sequence

import pandas as pd

from headreuse.study.config import Group
from headreuse.tables.base import Tables, derived_table
from headreuse.tables.transfer import transfer_table


@derived_table("transfer", of=("accuracy",), version=2)
def transfers(tables: Tables, groups: Sequence[Group]) -> pd.DataFrame:
    """One row per group, seed and step: see `transfer_table`."""
    return transfer_table(tables["accuracy"], groups)
