"""The table of correlations: does transfer go with overlap?"""

from collections.abc import Sequence

import pandas as pd

from headreuse.correlation import correlation_table
from headreuse.study.config import Group
from headreuse.tables.base import Tables, derived_table


@derived_table("correlation", of=("overlap", "transfer"), version=1)
def correlation(tables: Tables, groups: Sequence[Group]) -> pd.DataFrame:
    """Every estimate of every pairing of an overlap with a transfer measure: see `correlation_table`."""
    return correlation_table(tables["overlap"], tables["transfer"], groups)
