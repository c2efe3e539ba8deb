"""The table of head scores: the mean effect of each head on each task."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from headreuse.measurements.head_scores import HeadScoresOf
from headreuse.records import HeadScores
from headreuse.tables.base import checkpoint_table
from headreuse.tables.columns import common
from headreuse.tables.results import MeasuredCheckpoint

CONFIDENCE = 0.95


MEANINGS = common("task", "length", "method", "outcome") | {
    "layer": "The head's layer, from 0.",
    "head": "Its place in the layer, from 0; under grouped-query attention that of a query head.",
    "baseline": "Mean outcome of the untouched model.",
    "effect": "Mean outcome of the untouched model less that without the head: positive where the head helps the task.",
    "completeness_error": "Of estimates alone: how far they are from adding up within layers, 0 for not at all.",
    **common("ci_low", "ci_high"),
}
"""Of the columns."""


@checkpoint_table("head_scores", version=1, columns=MEANINGS)
def head_scores(checkpoint: MeasuredCheckpoint) -> pd.DataFrame:
    """One row per task, method, outcome and head."""
    frames = [head_score_rows(scores) for scores in checkpoint.results(HeadScoresOf)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def head_score_rows(scores: HeadScores) -> pd.DataFrame:
    """One row per outcome and head: `HeadScores.to_frame` with the 95 % interval of the mean effect over prompts.

    The interval is Student's t of the per-prompt effects, which are differences on the same prompt; where all prompts
    agree it has no width, which says nothing about prompts not drawn. One prompt alone has no interval: NaN. Where head
    subsets were drawn, it is wider by what that adds.
    """
    frame = scores.to_frame()
    ends = [interval_of_mean(effects) for effects in scores.effects.values()]
    low, high = (np.concatenate([found[end].ravel() for found in ends]) for end in (0, 1))
    if scores.errors is not None:
        of_drawing = np.concatenate([scores.errors[name].ravel() for name in scores.effects])
        half = np.hypot((high - low) / 2, stats.norm.isf((1 - CONFIDENCE) / 2) * of_drawing)
        low, high = frame["effect"] - half, frame["effect"] + half
    return frame.assign(ci_low=low, ci_high=high)


def interval_of_mean(
    effects: Float[np.ndarray, "*batch prompt"],
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Both ends of Student's 95 % interval of the mean over prompts; NaN of one prompt alone."""
    mean, n = effects.mean(axis=-1), effects.shape[-1]
    spread = effects.std(axis=-1, ddof=1) if n > 1 else np.nan
    half = stats.t.isf((1 - CONFIDENCE) / 2, n - 1) * spread / np.sqrt(n)
    return np.asarray(mean - half), np.asarray(mean + half)
