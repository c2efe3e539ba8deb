"""The table of overlaps: how alike the heads of each two tasks are."""

import pandas as pd

from headreuse.measurements.head_scores import HeadScoresOf
from headreuse.measurements.pattern import MeanPatterns
from headreuse.overlap import ComparisonSettings, overlap_table
from headreuse.study.streams import Stream
from headreuse.tables.base import checkpoint_table
from headreuse.tables.results import MeasuredCheckpoint


@checkpoint_table("overlap", version=2)
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
