"""Does transfer go with overlap over training, beyond how far each seed has learned, and how sure can one be?

The unit of replication is the run (group and seed): the checkpoints of one run are a time series in which nearly
everything trends. An interval or a p is given only where simulation showed it to hold; elsewhere a note says why there
is none.
"""

from headreuse.correlation.clocks import Clock, clock, crossings
from headreuse.correlation.group_level import mantel
from headreuse.correlation.paired import permutation_p, run_correlations, smallest_p
from headreuse.correlation.panels import Panel, panels
from headreuse.correlation.power import Power, power
from headreuse.correlation.statistics import STATISTICS, Statistic
from headreuse.correlation.summaries import STATISTIC_SUMMARIES
from headreuse.correlation.table import correlation_table

__all__ = [
    "STATISTICS",
    "STATISTIC_SUMMARIES",
    "Clock",
    "Panel",
    "Power",
    "Statistic",
    "clock",
    "correlation_table",
    "crossings",
    "mantel",
    "panels",
    "permutation_p",
    "power",
    "run_correlations",
    "smallest_p",
]
