"""The table of ablations by length: do the heads that main shares with an auxiliary carry it beyond its own length?"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float

from headreuse.measurements.ablation_by_length import AblationsByLength, AblationsByLengthOf, SetAtLength
from headreuse.tables.base import checkpoint_table
from headreuse.tables.columns import common
from headreuse.tables.head_scores import interval_of_mean
from headreuse.tables.results import MeasuredCheckpoint

MEANINGS = common("task", "length") | {
    "ablated": "Which heads: `main`, `auxiliary`, `shared` or `main_only`, of the top heads of each.",
    "auxiliary": "The auxiliary whose top heads are meant.",
    "heads": "The heads, as `layer.head` with blanks between them; a set may be empty.",
    "n_heads": "How many they are.",
    **common("outcome", "n"),
    "baseline": "Mean outcome of main, untouched.",
    "without": "The same without these heads.",
    "loss": "The first less the second: positive where main needs them.",
    **common("ci_low", "ci_high"),
    "n_sets": "Other sets with as many heads in each layer that were ablated for comparison.",
    "random": "Mean loss over these sets; NaN, as the following, without any.",
    "random_low": "Lower end of the range that holds 95 % of their losses.",
    "random_high": "Upper end of the same range.",
    "random_share": "The share of these sets that cost main at least as much.",
}
COLUMNS = tuple(MEANINGS)
RANGE = (0.025, 0.975)
"""Of the other sets' losses, between quantiles."""
ROUNDING = 1e-6
"""Losses that differ by less are equal."""


@checkpoint_table("ablation_by_length", version=1, columns=MEANINGS)
def ablation_by_length(checkpoint: MeasuredCheckpoint) -> pd.DataFrame:
    """One row per length, set of heads and outcome: columns `COLUMNS`.

    - `ablated`: `main`, main's top heads; `auxiliary`, those of `auxiliary`; `shared`, those in both; `main_only`,
      those of main that are not among the auxiliary's. `heads` names them; a set may be empty.
    - `baseline` and `without`: mean outcome of main, untouched and without these heads; `loss` is the difference, with
      its 95 % interval over the examples of the same checkpoint.
    - `random`: mean loss over `n_sets` other sets with as many heads in each layer; `random_low` and `random_high`
      enclose 95 % of them, and `random_share` is the share of them that cost main at least as much. NaN without any.
    """
    units, results = checkpoint.units_of(AblationsByLengthOf), checkpoint.results(AblationsByLengthOf)
    rows = [row for unit, found in zip(units, results, strict=True) for row in _rows(unit.task, found)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(task: str, found: AblationsByLength) -> Iterator[tuple[object, ...]]:
    for entry in found.sets:
        place = task, entry.length, entry.ablated, entry.auxiliary, entry.heads, len(entry.heads.split())
        for outcome, values in found.baseline[entry.length].items():
            yield (*place, outcome, len(values), float(values.mean()), *_losses(entry, outcome, values))


def _losses(entry: SetAtLength, outcome: str, baseline: Float[np.ndarray, "prompt"]) -> tuple[float | int, ...]:
    loss, others = entry.losses[outcome], entry.others[outcome]
    mean = float(loss.mean())
    low, high = (float(end) for end in interval_of_mean(loss))
    compared = _compared(mean, others)
    return float((baseline - loss).mean()), mean, low, high, len(others), *compared


def _compared(loss: float, others: Float[np.ndarray, "set"]) -> tuple[float, float, float, float]:
    if not len(others):
        return np.nan, np.nan, np.nan, np.nan
    low, high = np.quantile(others, RANGE)
    return float(others.mean()), float(low), float(high), float(np.mean(others >= loss - ROUNDING))
