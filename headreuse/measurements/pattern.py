"""Mean attention patterns of every head."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from headreuse.measurements.base import Measurement, Settings, heads_of, measurement
from headreuse.measurements.scored_length import at_score_length, pass_cost
from headreuse.records import MeanPattern
from headreuse.store.units import Unit
from headreuse.study.config import Study
from headreuse.study.group import Group

if TYPE_CHECKING:
    from headreuse.measurements.loaded import Loaded

INDICES = ("layer", "head", "query", "key")


@measurement("pattern")
class MeanPatterns(Measurement[MeanPattern | None]):
    """The mean pattern over a task's prompts; None where they are not aligned, since there is no mean then."""

    version = 1

    def wanted(self, study: Study, group: Group, *, is_last: bool) -> Iterator[tuple[str, Settings]]:
        """Every task of the group."""
        for task in group.task_names:
            yield task, at_score_length(study, group)

    def cost(self, study: Study, group: Group, settings: Settings) -> float:
        """One pass."""
        return pass_cost(settings["n"], settings["length"])

    def measure(self, loaded: "Loaded", unit: Unit) -> MeanPattern | None:
        """Record the patterns of the task's prompts."""
        from headreuse.attention import mean_pattern

        prompts = loaded.prompts(unit, unit.settings["length"])
        return mean_pattern(loaded.model, prompts, micro_batch=loaded.micro_batch) if prompts.is_aligned else None

    def to_frame(self, result: MeanPattern | None) -> pd.DataFrame:
        """One row per head, query and key: layer, head, query, key, role of the query, value; none without a mean."""
        if result is None:
            return pd.DataFrame({name: [] for name in (*INDICES, "role", "n_prompts", "value")})
        places = zip(INDICES, np.indices(result.pattern.shape), strict=True)
        frame = pd.DataFrame({name: index.ravel().astype(np.int16) for name, index in places})
        frame["role"] = np.array(result.layout)[frame["query"]]
        frame["n_prompts"] = result.n_prompts
        frame["value"] = result.pattern.ravel().astype(np.float32)
        return frame

    def from_frame(self, frame: pd.DataFrame, unit: Unit) -> MeanPattern | None:
        """The mean pattern, or None."""
        if not len(frame):
            return None
        shape = tuple(int(frame[name].max()) + 1 for name in INDICES)
        layout = tuple(frame["role"].to_numpy()[:: shape[3]][: shape[2]])
        pattern = frame["value"].to_numpy().reshape(shape)
        n_prompts, heads = int(frame["n_prompts"].iloc[0]), heads_of(unit, unit.task)
        return MeanPattern(unit.task, unit.settings["length"], n_prompts, layout, pattern, heads)
