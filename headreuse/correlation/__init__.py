"""Does transfer go with overlap over training, and how sure can one be?

The unit of replication is the run (group and seed): the checkpoints of one run are a time series in which nearly
everything trends. An interval or a p is given only where simulation showed it to be calibrated; elsewhere a note says
why there is none.
"""

from headreuse.correlation.autocorrelation import effective_sample_size, residual_autocorrelation
from headreuse.correlation.group_level import mantel
from headreuse.correlation.panels import Panel, panels
from headreuse.correlation.permutation import seed_permutation, smallest_p
from headreuse.correlation.power import Power, detectable_correlation
from headreuse.correlation.statistics import STATISTICS, Statistic
from headreuse.correlation.summaries import STATISTIC_SUMMARIES
from headreuse.correlation.table import correlation_table

__all__ = [
    "STATISTICS",
    "STATISTIC_SUMMARIES",
    "Panel",
    "Power",
    "Statistic",
    "correlation_table",
    "detectable_correlation",
    "effective_sample_size",
    "mantel",
    "panels",
    "residual_autocorrelation",
    "seed_permutation",
    "smallest_p",
]
