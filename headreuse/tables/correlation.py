"""The table of correlations: does transfer go with overlap?"""

import pandas as pd

from headreuse.correlation import correlation_table
from headreuse.tables.base import Design, Tables, derived_table


@derived_table("correlation", of=("overlap", "transfer", "training_log"), version=3)
def correlation(tables: Tables, design: Design) -> pd.DataFrame:
    """Every estimate of every pairing of an overlap with a transfer measure: see `correlation_table`."""
    return correlation_table(
        tables["overlap"],
        tables["transfer"],
        design.groups,
        training_log=tables["training_log"],
        primary=design.primary,
    )
