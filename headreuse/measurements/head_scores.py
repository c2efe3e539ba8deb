"""Head scores: how much each head matters to a task, by every method that the study names."""

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from einops import repeat
from jaxtyping import Float

from headreuse.measurements.base import Measurement, Settings, heads_of, measurement
from headreuse.measurements.outcomes import outcome_columns
from headreuse.measurements.own_settings import OWN, own_settings
from headreuse.measurements.scored_length import at_score_length, pass_cost
from headreuse.records import HeadScores
from headreuse.store.units import Unit
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.measure_spec import PATTERN_SCORES
from headreuse.study.subsets import OVER_SUBSETS, n_passes

if TYPE_CHECKING:
    from headreuse.measurements.loaded import Loaded

BASELINE = -1
"""Stands for layer and head in the rows of the untouched model, and for the head in those of a whole layer."""
ERROR = -1
"""Stands for the example in the rows of standard errors."""


@measurement("head_scores")
class HeadScoresOf(Measurement[HeadScores]):
    """The scores of all heads by one method."""

    version = 1

    def wanted(self, study: Study, group: Group, *, is_last: bool) -> Iterator[tuple[str, Settings]]:
        """Every method of the study for every task of the group."""
        for method in study.measures.methods:
            for task in group.task_names:
                yield task, {**at_score_length(study, group), "method": method, **own_settings(method, study)}

    def cost(self, study: Study, group: Group, settings: Settings) -> float:
        """One pass for each head, or what the tree of subsets takes; two for patterns and outcomes."""
        model = study.model_of(group)
        passes: float = model.n_layers * model.n_heads
        if settings["method"] in OVER_SUBSETS:
            passes = n_passes(model.n_layers, model.n_heads, study.measures.subsets)
        elif settings["method"] in PATTERN_SCORES:
            passes = 2
        return pass_cost(settings["n"], settings["length"]) * passes

    def measure(self, loaded: "Loaded", unit: Unit) -> HeadScores:
        """Score every head; where prompts are not aligned, replacements are pooled over positions."""
        from headreuse.scores import SCORES
        from headreuse.scores.attribution_patching import CompletenessWarning

        prompts = loaded.prompts(unit, unit.settings["length"])
        score = SCORES[unit.settings["method"]]
        with warnings.catch_warnings():
            # The report says it of all checkpoints together.
            warnings.simplefilter("ignore", CompletenessWarning)
            found = score.fitting(loaded.model, prompts, **unit.settings.get(OWN, {}))
        return found.confined_to(heads_of(unit, unit.task))

    def to_frame(self, result: HeadScores) -> pd.DataFrame:
        """One row per head and example with the effects, layer by layer; first the baseline's, at layer and head -1.

        Of estimates, the true effects of whole layers come last, at head -1; of values over drawn subsets, their
        standard errors, at example -1. An outcome that has a baseline alone has no effects: NaN.
        """
        n_layers, n_heads, n_examples = next(iter(result.effects.values())).shape
        layers = repeat(np.arange(n_layers), "layer -> (layer head example)", head=n_heads, example=n_examples)
        heads = repeat(np.arange(n_heads), "head -> (layer head example)", layer=n_layers, example=n_examples)
        baseline = np.full(n_examples, BASELINE)
        columns = {
            "layer": np.concatenate([baseline, layers]).astype(np.int16),
            "head": np.concatenate([baseline, heads]).astype(np.int16),
            "example": np.tile(np.arange(n_examples), 1 + n_layers * n_heads).astype(np.int32),
        }
        for outcome, effects in result.effects.items():
            columns[outcome] = np.concatenate([result.baseline[outcome], effects.ravel()]).astype(np.float32)
        for outcome in [name for name in result.baseline if name not in result.effects]:
            nothing = np.full(layers.shape, np.nan)
            columns[outcome] = np.concatenate([result.baseline[outcome], nothing]).astype(np.float32)
        frames = [pd.DataFrame(columns)]
        if result.whole_layers is not None:
            frames.append(_of_whole_layers(result.whole_layers))
        if result.errors is not None:
            frames.append(_of_errors(result.errors))
        return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]

    def from_frame(self, frame: pd.DataFrame, unit: Unit) -> HeadScores:
        """The scores."""
        drawn, frame = frame[frame["example"] == ERROR], frame[frame["example"] != ERROR]
        is_whole = (frame["head"] == BASELINE) & (frame["layer"] != BASELINE)
        whole, frame = frame[is_whole], frame[~is_whole]
        layer, head, example = (frame[name].to_numpy() for name in ("layer", "head", "example"))
        shape = (layer.max() + 1, head.max() + 1, example.max() + 1)
        outcomes = outcome_columns(frame)
        baseline = {name: values[: shape[2]] for name, values in outcomes.items()}
        of_heads = {name: values[shape[2] :] for name, values in outcomes.items()}
        effects = {name: values.reshape(shape) for name, values in of_heads.items() if not np.isnan(values).all()}
        true = outcome_columns(whole)
        whole_layers = {name: true[name].reshape(shape[0], -1) for name in effects}
        place = unit.task, unit.settings["length"], unit.settings["method"]
        errors = {name: values.reshape(-1, shape[1]) for name, values in outcome_columns(drawn).items()}
        return HeadScores(
            *place,
            baseline,
            effects,
            whole_layers=whole_layers if len(whole) else None,
            errors=errors if len(drawn) else None,
            heads=heads_of(unit, unit.task),
        )


def _of_errors(errors: Mapping[str, Float[np.ndarray, "layer head"]]) -> pd.DataFrame:
    """One row per head."""
    layer, head = (index.ravel().astype(np.int16) for index in np.indices(next(iter(errors.values())).shape))
    places = {"layer": layer, "head": head, "example": np.full(len(layer), ERROR, np.int32)}
    return pd.DataFrame(places | {name: values.ravel().astype(np.float32) for name, values in errors.items()})


def _of_whole_layers(effects: Mapping[str, Float[np.ndarray, "layer prompt"]]) -> pd.DataFrame:
    """One row per layer and example."""
    layer, example = (index.ravel() for index in np.indices(next(iter(effects.values())).shape))
    places = {"layer": layer.astype(np.int16), "head": np.int16(BASELINE), "example": example.astype(np.int32)}
    return pd.DataFrame(places | {name: values.ravel().astype(np.float32) for name, values in effects.items()})
