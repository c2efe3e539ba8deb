"""Ablations of head sets: what a task loses without each task's top heads, and without other sets like them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float

from headreuse.measurements.base import HEADS, MEASUREMENTS, Measurement, Settings, heads_of, measurement
from headreuse.measurements.head_scores import HeadScoresOf
from headreuse.measurements.outcomes import outcome_columns
from headreuse.measurements.own_settings import OWN
from headreuse.measurements.scored_length import at_score_length, pass_cost
from headreuse.records import Head
from headreuse.store.units import Unit
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.streams import Stream

if TYPE_CHECKING:
    from headreuse.measurements.loaded import Loaded

RANKED_BY = "mean_ablation"
"""The score whose top heads make the sets."""
SCORES_SETTINGS = ("length", "n", "up_to", "method", OWN, HEADS)
"""What the key of those head scores holds besides the task."""

SetLosses = Mapping[str, Mapping[str, Float[np.ndarray, "set example"]]]
"""By source task and outcome: the loss without the source's top heads first, then without other sets like them."""


@measurement("set_ablation")
class SetAblationsOf(Measurement[SetLosses]):
    """The losses of one task."""

    version = 2
    after = ("head_scores",)

    def wanted(self, study: Study, group: Group, *, is_last: bool) -> Iterator[tuple[str, Settings]]:
        """Every task of the group, at the last checkpoint alone, where the study asks for it."""
        measures = study.measures
        if not is_last or RANKED_BY not in measures.methods or not measures.functional_sets:
            return
        sets = {"method": RANKED_BY, "sources": list(group.task_names), "top_k": measures.top_k}
        for task in group.task_names:
            yield task, {**at_score_length(study, group), **sets, "n_sets": measures.functional_sets}

    def cost(self, study: Study, group: Group, settings: Settings) -> float:
        """One pass for each set, where there are as many other sets as the study asks for."""
        n_sets = len(settings["sources"]) * (1 + settings["n_sets"])
        return pass_cost(settings["n"], settings["length"]) * n_sets

    def measure(self, loaded: "Loaded", unit: Unit) -> SetLosses:
        """Ablate every set of every source task."""
        from headreuse.interventions.head_sets import set_ablation

        settings = unit.settings
        sets = {}
        for source in settings["sources"]:
            top = loaded.result(HeadScoresOf, scores_unit(loaded, unit, source)).top(settings["top_k"])
            sets[source] = [top, *other_sets(top, heads_of(unit, source) or loaded.n_heads, unit, source)]
        every = [heads for several in sets.values() for heads in several]
        prompts = loaded.prompts(unit, settings["length"])
        effects = set_ablation(loaded.model, prompts, every, position=prompts.position).effects
        ends = np.cumsum([len(several) for several in sets.values()])[:-1]
        parts = {outcome: np.split(values, ends) for outcome, values in effects.items()}
        return {source: {outcome: parts[outcome][place] for outcome in parts} for place, source in enumerate(sets)}

    def to_frame(self, result: SetLosses) -> pd.DataFrame:
        """One row per source task, set and example: source, set, example, and the loss by each outcome."""
        frames = []
        for source, by_outcome in result.items():
            n_sets, n_examples = next(iter(by_outcome.values())).shape
            index = {"set": np.repeat(np.arange(n_sets), n_examples), "example": np.tile(np.arange(n_examples), n_sets)}
            columns = {name: values.ravel().astype(np.float32) for name, values in by_outcome.items()}
            frames.append(pd.DataFrame({"source": source, **index, **columns}))
        return pd.concat(frames, ignore_index=True)

    def from_frame(self, frame: pd.DataFrame, unit: Unit) -> SetLosses:
        """The losses."""
        losses = {}
        for source, rows in frame.groupby("source", sort=False):
            n_sets = int(rows["set"].max()) + 1
            losses[str(source)] = {name: values.reshape(n_sets, -1) for name, values in outcome_columns(rows).items()}
        return losses


def other_sets(top: frozenset[Head], among: int | Sequence[int], unit: Unit, source: str) -> list[frozenset[Head]]:
    """The sets that a source's `top` heads are compared with; `among` is as in `other_sets_like`.

    Where they are drawn, each model and pair of tasks has its own draw, so that no choice of sets recurs at every seed:
    models of two seeds or two groups differ.
    """
    from headreuse.interventions.head_sets import other_sets_like

    of = unit.checkpoint.fingerprint, unit.task, source
    # Prompts of a file depend on no seed.
    generator = Stream.RANDOM_SETS.generator(unit.settings.get("data_seed", 0), *of)
    return other_sets_like(top, among, unit.settings["n_sets"], generator)


def scores_unit(loaded: "Loaded", unit: Unit, task: str) -> Unit:
    """The head scores of another task at the same checkpoint, on as many examples of the same length."""
    scores = MEASUREMENTS[HeadScoresOf.kind]
    settings = {name: unit.settings[name] for name in SCORES_SETTINGS if name in unit.settings}
    return Unit(scores.kind, scores.versions, unit.checkpoint, task, loaded.study.task_settings(task) | settings)
