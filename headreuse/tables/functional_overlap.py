"""The table of functional overlaps: what ablating one task's top heads costs another."""

from collections.abc import Iterator

import pandas as pd

from headreuse.measurements.base import heads_of
from headreuse.measurements.set_ablation import SetAblationsOf
from headreuse.overlap import FunctionalOverlap, SetAblations, functional_table
from headreuse.tables.base import checkpoint_table
from headreuse.tables.columns import columns_of
from headreuse.tables.results import MeasuredCheckpoint

MEANINGS = columns_of(FunctionalOverlap)
"""Of the columns."""


@checkpoint_table("functional_overlap", version=2, columns=MEANINGS)
def functional_overlap(checkpoint: MeasuredCheckpoint) -> pd.DataFrame:
    """One row per source task, target task and outcome: see `FunctionalOverlap` for what a column means.

    An interval (ci_low, ci_high) and a p against chance (p_chance) are NaN where they would not hold; `note` says why.
    """
    return functional_table(_set_ablations(checkpoint))


def _set_ablations(checkpoint: MeasuredCheckpoint) -> Iterator[SetAblations]:
    """What each task loses without the top heads of each."""
    measured = zip(checkpoint.units_of(SetAblationsOf), checkpoint.results(SetAblationsOf), strict=True)
    for unit, losses in measured:
        for source, by_outcome in losses.items():
            n_heads = unit.settings["top_k"]
            if (usable := heads_of(unit, source)) is not None:
                n_heads = min(n_heads, len(usable) * checkpoint.study.model_of(checkpoint.group).n_layers)
            for outcome, loss in by_outcome.items():
                of_target = losses[unit.task][outcome][0]
                yield SetAblations(source, unit.task, outcome, n_heads, loss[0], of_target, loss[1:])
