"""The table of overlaps: how alike the heads of each two tasks are."""

import pandas as pd

from headreuse.measurements.head_scores import HeadScoresOf
from headreuse.measurements.pattern import MeanPatterns
from headreuse.overlap import ComparisonSettings, overlap_table
from headreuse.overlap.compare import Overlap
from headreuse.study.streams import Stream
from headreuse.tables.base import checkpoint_table
from headreuse.tables.columns import columns_of, common
from headreuse.tables.results import MeasuredCheckpoint

MEANINGS = {
    "task_a": "The first task; main comes first.",
    "task_b": "The second.",
    **common("length"),
    "method": "The score whose maps are compared, or `attention` for patterns.",
    "outcome": "The outcome whose effects are compared, or `pattern`.",
    **columns_of(Overlap),
    "baseline_a": "Accuracy of the first task, from 0 to 1, on the prompts whose heads were scored.",
    "baseline_b": "Accuracy of the second.",
    "usable": "Whether the row can be used; False for example where a task is not learned yet.",
    "reason": "Why it cannot be used, in words; empty where it can.",
}
"""Of the columns."""


@checkpoint_table("overlap", version=2, columns=MEANINGS)
def overlap(checkpoint: MeasuredCheckpoint) -> pd.DataFrame:
    """Every pair of tasks, by every metric of the study: see `overlap_table`, and `Overlap` for what a column means.

    An interval (ci_low, ci_high) and a p against chance (p_chance) are NaN where they would not hold; `note` says why.
    """
    measures = checkpoint.study.measures
    settings = ComparisonSettings(
        metrics=measures.overlap_metrics, top_k=measures.top_k, baseline_floor=measures.baseline_floor
    )
    return overlap_table(
        checkpoint.results(HeadScoresOf),
        [pattern for pattern in checkpoint.results(MeanPatterns) if pattern is not None],
        checkpoint.group,
        settings=settings,
        generator=Stream.OVERLAP.generator(checkpoint.study.data_seed, *map(str, checkpoint.place.values())),
    )
