"""What every statistic of the correlation table is, in a sentence."""

from headreuse.correlation import pooled
from headreuse.correlation.statistics import STATISTICS

STATISTIC_SUMMARIES = (
    pooled.SUMMARIES
    | {name: statistic.summary for name, statistic in STATISTICS.items()}
    | {
        "beyond_progress": "The verdict: the weakest of the tests at the same step, at the same progress and given the "
        "accuracies, which must agree.",
        "related_minus_control": "By how much the runs' own correlations, at the same progress and without their own "
        "timing, are higher in related groups than in controls.",
        "between_group": "Spearman's correlation, over groups, of overlap with transfer at the last checkpoints.",
    }
)
"""By the name in the table's column `statistic`."""
