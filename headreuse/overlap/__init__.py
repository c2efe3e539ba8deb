"""How alike are two tasks' heads, how alike would they be by chance, and how much of it is noise?

`OVERLAP_METRICS` has every metric by name, whatever file of this folder registers it; `overlap_table` compares the
tasks of a checkpoint, `compare` any two sets of head scores.
"""

from headreuse.overlap.attention import attention_chance, attention_difference, misalignment
from headreuse.overlap.compare import HEADLINE_METRICS, ComparisonSettings
from headreuse.overlap.functional import FunctionalOverlap, SetAblations, functional_overlap, functional_table
from headreuse.overlap.registry import (
    OVERLAP_METRICS,
    MapMetric,
    OverlapMetric,
    PatternMetric,
    map_metric,
    map_metrics,
    pattern_metric,
    pattern_metrics,
)
from headreuse.overlap.table import compare, overlap_table
from headreuse.overlap.usable import heads_with_effect, why_unusable

__all__ = [
    "HEADLINE_METRICS",
    "OVERLAP_METRICS",
    "ComparisonSettings",
    "FunctionalOverlap",
    "MapMetric",
    "OverlapMetric",
    "PatternMetric",
    "SetAblations",
    "attention_chance",
    "attention_difference",
    "compare",
    "functional_overlap",
    "functional_table",
    "heads_with_effect",
    "map_metric",
    "map_metrics",
    "misalignment",
    "overlap_table",
    "pattern_metric",
    "pattern_metrics",
    "why_unusable",
]
