"""The table of head scores: the mean effect of each head on each task."""

import numpy as np
import pandas as pd
from scipy import stats

from headreuse.measurements.head_scores import HeadScoresOf
from headreuse.records import HeadScores
from headreuse.tables.base import checkpoint_table
from headreuse.tables.results import MeasuredCheckpoint

CONFIDENCE = 0.95


@checkpoint_table("head_scores", version=1)
def head_scores(checkpoint: MeasuredCheckpoint) -> pd.DataFrame:
    """One row per task, method, outcome and head."""
    frames = [head_score_rows(scores) for scores in checkpoint.results(HeadScoresOf)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def head_score_rows(scores: HeadScores) -> pd.DataFrame:
    """One row per outcome and head: `HeadScores.to_frame` with the 95 % interval of the mean effect over prompts.

    The interval is Student's t of the per-prompt effects, which are differences on the same prompt; where all prompts
    agree it has no width, which says nothing about prompts not drawn. One prompt alone has no interval: NaN.
    """
    frame = scores.to_frame()
    low, high = [], []
    for effects in scores.effects.values():
        mean, n = effects.mean(axis=-1), effects.shape[-1]
        spread = effects.std(axis=-1, ddof=1) if n > 1 else np.nan
        half = stats.t.isf((1 - CONFIDENCE) / 2, n - 1) * spread / np.sqrt(n)
        low.append((mean - half).ravel())
        high.append((mean + half).ravel())
    return frame.assign(ci_low=np.concatenate(low), ci_high=np.concatenate(high))
