"""Does transfer go with overlap over training, and how sure can one be?

The unit of replication is the run (group and seed): checkpoints of one run are a time series in which nearly
everything trends (trap 3 of `reference/paper.md`).
"""

from headreuse.correlation.panels import Panel, panels
from headreuse.correlation.statistics import STATISTICS, Statistic, residual_degrees_of_freedom
from headreuse.correlation.table import correlation_table

__all__ = ["STATISTICS", "Panel", "Statistic", "correlation_table", "panels", "residual_degrees_of_freedom"]
