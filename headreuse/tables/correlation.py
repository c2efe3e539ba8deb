"""The table of correlations: does transfer go with overlap?"""

import pandas as pd

from headreuse.correlation import correlation_table
from headreuse.correlation.estimate import Estimate
from headreuse.tables.base import Design, Tables, derived_table
from headreuse.tables.columns import columns_of, common

MEANINGS = {
    "group": "The group's name, or what stands for several: `all related groups`, `related − control`, `all groups`.",
    "kind": "`related`, `control`, `primary`, `contrast` or `all`.",
    "overlap_metric": "The overlap metric; in a negative control an accuracy or the training loss.",
    "method": "The score whose maps are compared, `attention`, or `negative control`.",
    **common("outcome"),
    "transfer_metric": "The measure of transfer: a column of the table `transfer`.",
    **columns_of(Estimate, "statistic", "value", "ci_low", "ci_high", "interval", "p", "test"),
    "q": "p of what is exploratory with the false discovery rate controlled over all of it (Benjamini and Hochberg).",
    **columns_of(Estimate, "n_runs", "n_points", "verdict", "direction"),
    "primary": "Whether the row answers the study's primary question.",
    **columns_of(Estimate, "note"),
}
"""Of the columns."""


@derived_table("correlation", of=("overlap", "transfer", "training_log"), version=3, columns=MEANINGS)
def correlation(tables: Tables, design: Design) -> pd.DataFrame:
    """Every estimate of every pairing of an overlap with a transfer measure: see `correlation_table`."""
    return correlation_table(
        tables["overlap"],
        tables["transfer"],
        design.groups,
        training_log=tables["training_log"],
        primary=design.primary,
    )
