"""What every statistic of the correlation table is, in a sentence."""

from headreuse.correlation.further import LAGS
from headreuse.correlation.statistics import STATISTICS


def _lag(lag: int) -> str:
    many = f"{abs(lag)} checkpoint{'s' * (abs(lag) != 1)}"
    when = f"{many} later: does overlap lead?" if lag > 0 else f"{many} earlier: does overlap follow?"
    return f"Within-run correlation of overlap with the transfer {when}"


STATISTIC_SUMMARIES = (
    {name: statistic.summary for name, statistic in STATISTICS.items()}
    | {f"lag{lag:+d}": _lag(lag) for lag in LAGS}
    | {
        "partial": "Within-run correlation given log step and the accuracies of main and auxiliaries.",
        "step_adjusted_slope": "Change of transfer per unit of overlap, given run and step.",
        "mixed_intercept": "Change of the gap per unit of overlap in a mixed model in which runs differ in level.",
        "mixed_slope": "The same where runs differ in slope too.",
        "related_minus_control": "Mean within-run correlation of related groups less that of controls.",
        "between_group": "Spearman's correlation over groups of last overlap with last transfer.",
    }
)
"""By the name in the table's column `statistic`."""
