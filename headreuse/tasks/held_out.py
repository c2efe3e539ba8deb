"""Which prompts are kept out of training, so that a model is evaluated on none that it has seen.

The choice is a fixed hash of a prompt's symbols. So it is the same for every seed, study and task of one layout, and a
prompt drawn anew for training can never be one of them.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from headreuse.tasks.base import BLANK, Examples, Task

MAX_ROUNDS = 10_000
"""Draws after which a task is taken to have no prompt of the kind asked for."""

Rows = Int[np.ndarray, "row"]


def evaluation_examples(task: Task, lengths: Int[np.ndarray, "example"], generator: np.random.Generator) -> Examples:
    """One held-out example of each given length, drawn from `generator` alone."""

    def draw(rows: Rows) -> Examples:
        return task.generate(lengths[rows], generator)

    return _redrawn(task, draw, len(lengths), held_out=True)


def training_examples(task: Task, n: int, max_length: int, generator: np.random.Generator) -> Examples:
    """`n` examples up to a length as training draws them, none of them held out."""

    def draw(rows: Rows) -> Examples:
        return task.generate_training(len(rows), max_length, generator)

    return _redrawn(task, draw, n, held_out=False)


def is_held_out(task: Task, prompt: Int[np.ndarray, "example width"]) -> Bool[np.ndarray, "example"]:
    """Which prompts are kept out of training: those of symbol 0 throughout, and one in `task.held_out_one_in`.

    Separators count for their place alone, so tasks whose prompts differ in nothing else share the choice.
    """
    apart = np.array([symbol in task.separators for symbol in task.alphabet])
    symbols = np.where((prompt == BLANK) | apart[prompt], 0, prompt)
    position = np.arange(prompt.shape[1])
    mixed = _mixed(symbols.astype(np.uint64) * np.uint64(1 << 20) + position.astype(np.uint64))
    bits = np.where(symbols == 0, np.uint64(0), mixed).sum(axis=1, dtype=np.uint64)
    return (bits >> np.uint64(33)) % np.uint64(task.held_out_one_in) == 0


def _mixed(keys: np.ndarray) -> np.ndarray:
    """The finishing step of the SplitMix64 generator: neighbouring keys get unrelated numbers."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def _redrawn(task: Task, draw: Callable[[Rows], Examples], n: int, *, held_out: bool) -> Examples:
    """Draw `n` rows, and those of the wrong kind again until none is left."""
    parts: list[tuple[Rows, Examples]] = []
    left = np.arange(n)
    for _ in range(MAX_ROUNDS):
        drawn = draw(left)
        right = is_held_out(task, drawn.prompt) == held_out
        parts.append((left[right], _rows_of(drawn, right)))
        left = left[~right]
        if not len(left):
            return _together(parts, n)
    kind = "held out for the evaluation" if held_out else "left for training"
    raise ValueError(f"{task.name}: no prompt of the lengths asked for is {kind}; the task has too few of them")


def _rows_of(examples: Examples, rows: Bool[np.ndarray, "example"]) -> Examples:
    chosen: list[Any] = [None if array is None else array[rows] for array in _arrays(examples)]
    return Examples(*chosen)


def _together(parts: list[tuple[Rows, Examples]], n: int) -> Examples:
    """The parts' rows in their places, as wide as the widest part."""
    places = [rows for rows, _ in parts]
    columns = zip(*(_arrays(examples) for _, examples in parts), strict=True)
    return Examples(*(_placed(places, values, n) for values in columns))


def _placed(places: list[Rows], values: tuple[Any, ...], n: int) -> Any:
    if values[0] is None:
        return None
    filler = False if values[0].dtype == bool else BLANK
    whole = np.full((n, max(value.shape[1] for value in values)), filler, dtype=values[0].dtype)
    for rows, value in zip(places, values, strict=True):
        whole[rows, : value.shape[1]] = value
    return whole


def _arrays(examples: Examples) -> tuple[Any, ...]:
    return tuple(getattr(examples, field.name) for field in fields(Examples))
