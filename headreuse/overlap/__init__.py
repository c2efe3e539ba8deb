"""How alike are two tasks' head scores, how alike would they be by chance, and how much of it is noise?

`OVERLAP_METRICS` has every metric by name; `overlap_table` compares the tasks of a checkpoint, `compare` any two sets
of head scores.
"""

from headreuse.overlap import metrics, pairwise  # noqa: F401  (they register their metrics)
from headreuse.overlap.attention import attention_chance, attention_difference, misalignment
from headreuse.overlap.compare import HEADLINE_METRICS, ComparisonSettings
from headreuse.overlap.functional import FunctionalOverlap, SetAblations, functional_overlap, functional_table
from headreuse.overlap.registry import OVERLAP_METRICS, OverlapMetric, overlap_metric
from headreuse.overlap.table import compare, overlap_table
from headreuse.overlap.usable import heads_with_effect, why_unusable

__all__ = [
    "HEADLINE_METRICS",
    "OVERLAP_METRICS",
    "ComparisonSettings",
    "FunctionalOverlap",
    "OverlapMetric",
    "SetAblations",
    "attention_chance",
    "attention_difference",
    "compare",
    "functional_overlap",
    "functional_table",
    "heads_with_effect",
    "misalignment",
    "overlap_metric",
    "overlap_table",
    "why_unusable",
]
