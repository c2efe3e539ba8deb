"""What every statistic of the correlation table is, in a sentence."""

from headreuse.correlation.further import LAGS
from headreuse.correlation.statistics import STATISTICS
from headreuse.correlation.wording import counted


def _lag(lag: int) -> str:
    apart = counted(abs(lag), "checkpoint")
    when = f"{apart} later: does overlap lead?" if lag > 0 else f"{apart} earlier: does overlap follow?"
    return f"Within-run correlation of overlap with transfer {when}"


STATISTIC_SUMMARIES = (
    {name: statistic.summary for name, statistic in STATISTICS.items()}
    | {f"lag{lag:+d}": _lag(lag) for lag in LAGS}
    | {
        "partial": "Within-run correlation given log step and the accuracies of main and auxiliaries.",
        "step_adjusted_slope": "Change of transfer per unit of overlap, given run and step.",
        "mixed_intercept": "Change of the gap per unit of overlap, in a mixed model: runs differ in level.",
        "mixed_slope": "Change of the gap per unit of overlap, in a mixed model: runs differ in level and slope.",
        "related_minus_control": "Mean within-run correlation of related groups minus that of controls.",
        "between_group": "Spearman's correlation, over groups, of overlap with transfer at the last checkpoints.",
    }
)
"""By the name in the table's column `statistic`."""
