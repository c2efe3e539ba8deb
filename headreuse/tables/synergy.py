"""The table of synergy: what each task loses without two heads beyond what it loses without each."""

import numpy as np
import pandas as pd
from scipy import stats

from headreuse.measurements.synergy import SynergyOf
from headreuse.records import Synergy
from headreuse.tables.base import checkpoint_table
from headreuse.tables.columns import common
from headreuse.tables.head_scores import CONFIDENCE
from headreuse.tables.results import MeasuredCheckpoint

MEANINGS = common("task", "length", "outcome") | {
    "layer_a": "Layer of the first head, from 0.",
    "head_a": "Its place in the layer.",
    "layer_b": "Layer of the second head.",
    "head_b": "Its place in the layer.",
    "synergy": "Loss without both beyond the losses without each: positive where they stand in for each other.",
    "ci_low": "Lower end of its 95 % interval, over prompts and drawn subsets of other heads.",
    **common("ci_high"),
}
COLUMNS = tuple(MEANINGS)


@checkpoint_table("synergy", version=1, columns=MEANINGS)
def synergy(checkpoint: MeasuredCheckpoint) -> pd.DataFrame:
    """One row per task, outcome and two heads, with the 95 % interval over prompts and drawn subsets."""
    frames = [synergy_rows(found) for found in checkpoint.results(SynergyOf)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS))


def synergy_rows(found: Synergy) -> pd.DataFrame:
    """Columns `COLUMNS`; each pair once."""
    first, second = np.triu_indices(len(found.heads), 1)
    places = np.array([(head.layer, head.head_index) for head in found.heads])
    a, b = places[first], places[second]
    pairs = {"layer_a": a[:, 0], "head_a": a[:, 1], "layer_b": b[:, 0], "head_b": b[:, 1]}
    frames = []
    for outcome, square in found.values.items():
        value, error = square[first, second], found.errors[outcome][first, second]
        half = stats.norm.isf((1 - CONFIDENCE) / 2) * error
        columns = {"task": found.task, "length": found.length, "outcome": outcome, **pairs}
        frames.append(pd.DataFrame(columns | {"synergy": value, "ci_low": value - half, "ci_high": value + half}))
    return pd.concat(frames, ignore_index=True)
