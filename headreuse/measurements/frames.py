"""Records as long tables and back: how a unit's result looks in its file."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from einops import repeat

from headreuse.records import OUTCOMES, Evaluation, HeadScores, MeanPattern

BASELINE = -1
"""Stands for layer and head in the rows of the untouched model."""


def evaluations_to_frame(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """One row per length and example: length, example, and a column for each outcome."""
    frames = []
    for evaluation in evaluations:
        columns = {name: values.astype(np.float32) for name, values in evaluation.outcomes.items()}
        frames.append(pd.DataFrame({"length": evaluation.length, "example": range(_size(columns)), **columns}))
    return pd.concat(frames, ignore_index=True)


def frame_to_evaluations(frame: pd.DataFrame, task: str) -> list[Evaluation]:
    """The evaluations that `evaluations_to_frame` wrote, by length."""
    lengths = sorted(frame["length"].unique().tolist())
    return [Evaluation(task, length, _outcomes(frame[frame["length"] == length])) for length in lengths]


def head_scores_to_frame(scores: HeadScores) -> pd.DataFrame:
    """One row per head and example with the effects, layer by layer; first the baseline's, at layer and head -1."""
    n_layers, n_heads, n_examples = next(iter(scores.effects.values())).shape
    layers = repeat(np.arange(n_layers), "layer -> (layer head example)", head=n_heads, example=n_examples)
    heads = repeat(np.arange(n_heads), "head -> (layer head example)", layer=n_layers, example=n_examples)
    baseline = np.full(n_examples, BASELINE)
    columns = {
        "layer": np.concatenate([baseline, layers]).astype(np.int16),
        "head": np.concatenate([baseline, heads]).astype(np.int16),
        "example": np.tile(np.arange(n_examples), 1 + n_layers * n_heads).astype(np.int32),
    }
    for outcome, effects in scores.effects.items():
        columns[outcome] = np.concatenate([scores.baseline[outcome], effects.ravel()]).astype(np.float32)
    return pd.DataFrame(columns)


def frame_to_head_scores(frame: pd.DataFrame, *, task: str, length: int, method: str) -> HeadScores:
    """The scores that `head_scores_to_frame` wrote."""
    layer, head, example = (frame[name].to_numpy() for name in ("layer", "head", "example"))
    shape = (layer.max() + 1, head.max() + 1, example.max() + 1)
    outcomes = _outcomes(frame)
    baseline = {name: values[: shape[2]] for name, values in outcomes.items()}
    effects = {name: values[shape[2] :].reshape(shape) for name, values in outcomes.items()}
    return HeadScores(task, length, method, baseline, effects)


def set_losses_to_frame(losses: Mapping[str, Mapping[str, np.ndarray]]) -> pd.DataFrame:
    """One row per source task, head set and example: source, set, example, and the loss by each outcome.

    `losses` has by source task and outcome an array `set example`: the source's top heads first, then random sets.
    """
    frames = []
    for source, by_outcome in losses.items():
        n_sets, n_examples = next(iter(by_outcome.values())).shape
        index = {"set": np.repeat(np.arange(n_sets), n_examples), "example": np.tile(np.arange(n_examples), n_sets)}
        columns = {name: values.ravel().astype(np.float32) for name, values in by_outcome.items()}
        frames.append(pd.DataFrame({"source": source, **index, **columns}))
    return pd.concat(frames, ignore_index=True)


def frame_to_set_losses(frame: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """The losses that `set_losses_to_frame` wrote."""
    losses = {}
    for source, rows in frame.groupby("source", sort=False):
        n_sets = int(rows["set"].max()) + 1
        losses[str(source)] = {name: values.reshape(n_sets, -1) for name, values in _outcomes(rows).items()}
    return losses


def pattern_to_frame(mean: MeanPattern | None) -> pd.DataFrame:
    """One row per head, query and key: layer, head, query, key, role of the query, value; none without a mean."""
    if mean is None:
        return pd.DataFrame({name: [] for name in ("layer", "head", "query", "key", "role", "n_prompts", "value")})
    layer, head, query, key = (index.ravel() for index in np.indices(mean.pattern.shape))
    columns = {"layer": layer, "head": head, "query": query, "key": key}
    frame = pd.DataFrame({name: index.astype(np.int16) for name, index in columns.items()})
    frame["role"] = np.array(mean.layout)[query]
    frame["n_prompts"] = mean.n_prompts
    frame["value"] = mean.pattern.ravel().astype(np.float32)
    return frame


def frame_to_pattern(frame: pd.DataFrame, *, task: str, length: int) -> MeanPattern | None:
    """The mean pattern that `pattern_to_frame` wrote; None where prompts did not line up, so that there was none."""
    if not len(frame):
        return None
    shape = tuple(int(frame[name].max()) + 1 for name in ("layer", "head", "query", "key"))
    layout = tuple(frame["role"].to_numpy()[:: shape[3]][: shape[2]])
    return MeanPattern(task, length, int(frame["n_prompts"].iloc[0]), layout, frame["value"].to_numpy().reshape(shape))


def _outcomes(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    return {name: rows[name].to_numpy() for name in OUTCOMES if name in rows.columns}


def _size(columns: dict[str, np.ndarray]) -> int:
    return len(next(iter(columns.values())))
