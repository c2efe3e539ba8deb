"""Synergy of each two heads at the last checkpoint: which heads stand in for each other."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from headreuse.measurements.base import Measurement, Settings, measurement
from headreuse.measurements.outcomes import outcome_columns
from headreuse.measurements.own_settings import OWN, own_settings
from headreuse.measurements.scored_length import at_score_length, pass_cost
from headreuse.records import Head, Synergy
from headreuse.store.units import Unit
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.subsets import SYNERGY_METHOD, n_passes

if TYPE_CHECKING:
    from headreuse.measurements.loaded import Loaded

ERROR = "_error"
"""Ends the names of columns of standard errors."""


@measurement("synergy")
class SynergyOf(Measurement[Synergy]):
    """The synergy of the heads for one task."""

    version = 1

    def wanted(self, study: Study, group: Group, *, is_last: bool) -> Iterator[tuple[str, Settings]]:
        """Every task of the group, at the last checkpoint alone, where heads are valued over subsets."""
        if is_last and SYNERGY_METHOD in study.measures.methods:
            for task in group.task_names:
                yield task, {**at_score_length(study, group), **own_settings(SYNERGY_METHOD, study)}

    def cost(self, study: Study, group: Group, settings: Settings) -> float:
        """What the tree of subsets takes."""
        model = study.model_of(group)
        passes = n_passes(model.n_layers, model.n_heads, study.measures.subsets)
        return pass_cost(settings["n"], settings["length"]) * passes

    def measure(self, loaded: "Loaded", unit: Unit) -> Synergy:
        """Ablate subsets of heads."""
        from headreuse.scores import synergy

        prompts = loaded.prompts(unit, unit.settings["length"])
        return synergy(loaded.model, prompts, position=prompts.position, **unit.settings[OWN])

    def to_frame(self, result: Synergy) -> pd.DataFrame:
        """One row per two heads: their layers and indices, the synergy by each outcome and its standard error."""
        first, second = np.triu_indices(len(result.heads), 1)
        columns = {
            f"{part}_{end}": np.array([getattr(head, name) for head in result.heads], np.int16)[chosen]
            for end, chosen in (("a", first), ("b", second))
            for part, name in (("layer", "layer"), ("head", "head_index"))
        }
        values = {name: square[first, second].astype(np.float32) for name, square in result.values.items()}
        errors = {name + ERROR: square[first, second].astype(np.float32) for name, square in result.errors.items()}
        return pd.DataFrame(columns | values | errors)

    def from_frame(self, frame: pd.DataFrame, unit: Unit) -> Synergy:
        """The synergy."""
        ends = [[Head(*map(int, place)) for place in frame[[f"layer_{end}", f"head_{end}"]].to_numpy()] for end in "ab"]
        heads = tuple(dict.fromkeys([*ends[0][:1], *ends[1]]))
        values = outcome_columns(frame)
        errors = {name: frame[name + ERROR].to_numpy() for name in values}
        squares = [{name: _square(part, len(heads)) for name, part in of.items()} for of in (values, errors)]
        return Synergy(unit.task, unit.settings["length"], heads, *squares)


def _square(of_pairs: np.ndarray, n_heads: int) -> np.ndarray:
    square = np.full((n_heads, n_heads), np.nan)
    first, second = np.triu_indices(n_heads, 1)
    square[first, second] = square[second, first] = of_pairs
    return square
