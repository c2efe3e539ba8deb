"""Accuracy by length: outcomes of every example of a task, at every length of its curve."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from headreuse.measurements.base import Measurement, Settings, measurement
from headreuse.measurements.outcomes import outcome_columns
from headreuse.measurements.scored_length import pass_cost
from headreuse.records import Evaluation
from headreuse.store.units import Unit
from headreuse.study.config import Study
from headreuse.study.group import Group

if TYPE_CHECKING:
    from headreuse.measurements.loaded import Loaded


@measurement("evaluation")
class Evaluations(Measurement[Sequence[Evaluation]]):
    """One evaluation for each length, by length."""

    version = 1

    def wanted(self, study: Study, group: Group, *, is_last: bool) -> Iterator[tuple[str, Settings]]:
        """Every task of the group, at all lengths of its curve."""
        for task in group.task_names:
            yield task, {"lengths": list(study.eval_lengths(group, task)), "n": study.measures.n_examples}

    def cost(self, study: Study, group: Group, settings: Settings) -> float:
        """One pass for each length."""
        return sum(pass_cost(settings["n"], length) for length in settings["lengths"])

    def measure(self, loaded: "Loaded", unit: Unit) -> Sequence[Evaluation]:
        """Evaluate the task at one length after the other."""
        from headreuse.evaluation import evaluate

        batches = (loaded.prompts(unit, length) for length in unit.settings["lengths"])
        return [evaluate(loaded.model, prompts, micro_batch=loaded.micro_batch) for prompts in batches]

    def to_frame(self, result: Sequence[Evaluation]) -> pd.DataFrame:
        """One row per length and example: length, example, and a column for each outcome."""
        sizes = [len(next(iter(entry.outcomes.values()))) for entry in result]
        columns = {
            "length": np.repeat([entry.length for entry in result], sizes),
            "example": np.concatenate([np.arange(size) for size in sizes]),
        }
        outcomes = {
            name: np.concatenate([entry.outcomes[name] for entry in result]).astype(np.float32)
            for name in result[0].outcomes
        }
        return pd.DataFrame(columns | outcomes)

    def from_frame(self, frame: pd.DataFrame, unit: Unit) -> Sequence[Evaluation]:
        """The evaluations, by length."""
        by_length = frame.groupby("length", sort=True)
        return [Evaluation(unit.task, int(str(length)), outcome_columns(rows)) for length, rows in by_length]
