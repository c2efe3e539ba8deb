"""What main loses at every length of the transfer range without the heads that it shares, and without other heads.

An ablated head writes its mean over prompts of the same length. So each length is compared with itself: that main fails
at some lengths, and that maps taken there are dead, moves no comparison between sets of heads.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float

from headreuse.measurements.base import Measurement, Settings, heads_of, measurement
from headreuse.measurements.head_scores import HeadScoresOf
from headreuse.measurements.outcomes import outcome_columns
from headreuse.measurements.own_settings import own_settings
from headreuse.measurements.scored_length import at_score_length, pass_cost
from headreuse.measurements.set_ablation import other_sets, scores_unit
from headreuse.records import Head
from headreuse.store.units import Unit
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.measure_spec import ranked_by

if TYPE_CHECKING:
    from headreuse.measurements.loaded import Loaded

UNTOUCHED, MAIN, AUXILIARY, SHARED, MAIN_ONLY = "untouched", "main", "auxiliary", "shared", "main_only"
"""What is ablated: nothing, main's top heads, an auxiliary's, those in both, those of main that are not the other's."""
WHOLE = -1
"""Stands for the example where a row is a mean over all of them."""
KEYS = ["length", "ablated", "auxiliary", "heads"]


@dataclass(frozen=True)
class SetAtLength:
    """One set of heads, and what main loses without it at one length."""

    length: int
    ablated: str
    auxiliary: str
    """Whose heads they are or are not; empty for main's own."""
    heads: str
    """In order, for example `0.1 1.3`; empty where no head is in the set."""
    losses: Mapping[str, Float[np.ndarray, "prompt"]]
    """Outcome of the untouched model minus the outcome without the set, by name."""
    others: Mapping[str, Float[np.ndarray, "set"]]
    """Mean loss without each other set that has as many heads in each layer, by name."""


@dataclass(frozen=True)
class AblationsByLength:
    """Losses of one task."""

    baseline: Mapping[int, Mapping[str, Float[np.ndarray, "prompt"]]]
    """Outcomes of the untouched model, by length and name."""
    sets: Sequence[SetAtLength]


@measurement("ablation_by_length")
class AblationsByLengthOf(Measurement[AblationsByLength]):
    """The losses of main, at every length up to the end of its transfer range."""

    version = 1
    after = ("head_scores",)

    def wanted(self, study: Study, group: Group, *, is_last: bool) -> Iterator[tuple[str, Settings]]:
        """Main alone, at the last checkpoint alone, where the study asks for it and examples have lengths."""
        measures, main = study.measures, group.main.task
        lengths = [length for length in study.eval_lengths(group, main) if 0 < length <= group.transfer_to]
        if not (measures.ablation_by_length and is_last and lengths):
            return
        method = ranked_by(measures)
        ranking = {"method": method, **own_settings(method, study), "top_k": measures.top_k}
        sets = {"sources": list(group.task_names), "n_sets": measures.functional_sets, "lengths": lengths}
        yield main, {**at_score_length(study, group), **ranking, **sets}

    def cost(self, study: Study, group: Group, settings: Settings) -> float:
        """One pass for each set at each length, where there are as many other sets as the study asks for."""
        n_sets = (3 * len(settings["sources"]) - 2) * (1 + settings["n_sets"])
        return sum(pass_cost(settings["n"], length) * (1 + n_sets) for length in settings["lengths"])

    def measure(self, loaded: "Loaded", unit: Unit) -> AblationsByLength:
        """Ablate every set at one length after the other; a set that has two meanings is ablated once."""
        from headreuse.interventions.head_sets import name_of, set_ablation

        named = _named_sets(loaded, unit)
        others = {key: _others(loaded, unit, key, heads) for key, heads in named.items()}
        every = list(dict.fromkeys([*named.values(), *(one for several in others.values() for one in several)]))
        place = {heads: index for index, heads in enumerate(every)}
        baseline, sets = {}, []
        for length in unit.settings["lengths"]:
            prompts = loaded.prompts(unit, length)
            found = set_ablation(loaded.model, prompts, every, position=prompts.position)
            baseline[length] = found.baseline
            for key, heads in named.items():
                at = [place[one] for one in others[key]]
                losses = {name: effects[place[heads]] for name, effects in found.effects.items()}
                means = {name: effects[at].mean(axis=-1) for name, effects in found.effects.items()}
                sets.append(SetAtLength(length, *key, name_of(heads), losses, means))
        return AblationsByLength(baseline, sets)

    def to_frame(self, result: AblationsByLength) -> pd.DataFrame:
        """One row per length, set and example with the loss, and one per other set with its mean, at example -1.

        `set` is 0 for the set itself and counts the others from 1. Rows of the untouched model come first at each
        length and hold its outcomes.
        """
        frames = []
        for length, outcomes in result.baseline.items():
            frames.append(_rows((length, UNTOUCHED, "", ""), outcomes))
            for entry in (entry for entry in result.sets if entry.length == length):
                key = (length, entry.ablated, entry.auxiliary, entry.heads)
                frames += [_rows(key, entry.losses), _rows(key, entry.others, are_means=True)]
        return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)

    def from_frame(self, frame: pd.DataFrame, unit: Unit) -> AblationsByLength:
        """The losses."""
        baseline, sets = {}, []
        for key, rows in frame.groupby(KEYS, sort=False):
            assert isinstance(key, tuple)
            length, ablated, auxiliary, heads = int(str(key[0])), *map(str, key[1:])
            is_mean = rows["example"] == WHOLE
            of_examples, of_others = outcome_columns(rows[~is_mean]), outcome_columns(rows[is_mean])
            if ablated == UNTOUCHED:
                baseline[length] = of_examples
            else:
                sets.append(SetAtLength(length, ablated, auxiliary, heads, of_examples, of_others))
        return AblationsByLength(baseline, sets)


_Key = tuple[str, str]
"""What is ablated, and the auxiliary."""


def _named_sets(loaded: "Loaded", unit: Unit) -> dict[_Key, frozenset[Head]]:
    """The top heads of each task, and which of main's are those of an auxiliary and which are not."""
    main, *auxiliaries = (
        (task, loaded.result(HeadScoresOf, scores_unit(loaded, unit, task)).top(unit.settings["top_k"]))
        for task in unit.settings["sources"]
    )
    own = main[1]
    sets = {(MAIN, ""): own}
    for task, top in auxiliaries:
        sets |= {(AUXILIARY, task): top, (SHARED, task): own & top, (MAIN_ONLY, task): own - top}
    return sets


def _others(loaded: "Loaded", unit: Unit, key: _Key, heads: frozenset[Head]) -> list[frozenset[Head]]:
    ablated, auxiliary = key
    among = heads_of(unit, auxiliary if ablated == AUXILIARY else unit.task) or loaded.n_heads
    return other_sets(heads, among, unit, " ".join(key)) if heads else []


def _rows(
    key: tuple[int, str, str, str], outcomes: Mapping[str, Float[np.ndarray, "row"]], *, are_means: bool = False
) -> pd.DataFrame:
    order = np.arange(len(next(iter(outcomes.values()))), dtype=np.int32)
    places = {"set": order + 1, "example": np.int32(WHOLE)} if are_means else {"set": np.int32(0), "example": order}
    columns = {name: values.astype(np.float32) for name, values in outcomes.items()}
    return pd.DataFrame({**dict(zip(KEYS, key, strict=True)), **places, **columns})
