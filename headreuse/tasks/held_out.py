"""Which prompts are kept out of training, so that no model is evaluated on a prompt that it was trained on.

A fixed hash of a prompt's symbols decides. So the choice is the same for all seeds, studies and tasks of one layout,
and a prompt of the evaluation can never be drawn for training.
"""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
from jaxtyping import Bool, Int, UInt

from headreuse.tasks.base import BLANK, Examples, Task

MAX_ROUNDS = 10_000
"""Draws after which a task is taken to have no prompt of the kind asked for."""

Indices = Int[np.ndarray, "_row"]


def evaluation_examples(task: Task, lengths: Int[np.ndarray, "example"], generator: np.random.Generator) -> Examples:
    """One held-out example of each given length, drawn from `generator` alone."""

    def draw(rows: Indices) -> Examples:
        return task.generate(lengths[rows], generator)

    return _redrawn(task, draw, len(lengths), held_out=True)


def training_examples(task: Task, n: int, max_length: int, generator: np.random.Generator) -> Examples:
    """`n` examples up to a length as training draws them; none is held out."""

    def draw(rows: Indices) -> Examples:
        return task.generate_training(len(rows), max_length, generator)

    return _redrawn(task, draw, n, held_out=False)


def is_held_out(task: Task, prompt: Int[np.ndarray, "example width"]) -> Bool[np.ndarray, "example"]:
    """Which prompts are kept out of training: about one in `task.held_out_one_in`, and those of symbol 0 alone."""
    # The hash is a sum over the positions: each (position, symbol) adds its own random number. Blanks and separators
    # add 0, so the array's width and the kind of operator (`+` or `-`) change nothing: tasks whose prompts differ in
    # separators alone hold out the same prompts. Symbol 0 adds 0, too. So the prompt of symbol 0 alone is always held
    # out, and a task with very few prompts of a length still has one for the evaluation.
    apart = np.array([symbol in task.separators for symbol in task.alphabet])
    symbols = np.where((prompt == BLANK) | apart[prompt], 0, prompt)
    position = np.arange(prompt.shape[1])
    mixed = _mixed(symbols.astype(np.uint64) * np.uint64(1 << 20) + position.astype(np.uint64))
    bits = np.where(symbols == 0, np.uint64(0), mixed).sum(axis=1, dtype=np.uint64)
    return (bits >> np.uint64(33)) % np.uint64(task.held_out_one_in) == 0


def _mixed(keys: UInt[np.ndarray, "example width"]) -> UInt[np.ndarray, "example width"]:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014): similar keys get unrelated numbers."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def _redrawn(task: Task, draw: Callable[[Indices], Examples], n: int, *, held_out: bool) -> Examples:
    """Draw `n` rows, then again those of the wrong kind, until none is left."""
    # Rejection leaves prompts of the wanted kind as likely, relative to each other, as the task makes them. `draw` gets
    # the indices of the rows that are left: in the evaluation a row keeps its length, however often it is drawn again.
    parts: list[tuple[Indices, Examples]] = []
    left = np.arange(n)
    for _ in range(MAX_ROUNDS):
        drawn = draw(left)
        wanted = is_held_out(task, drawn.prompt) == held_out
        parts.append((left[wanted], drawn[wanted]))
        left = left[~wanted]
        if not len(left):
            return _together(parts, n)
    kind = "held out for the evaluation" if held_out else "left for training"
    raise ValueError(
        f"{task.name}: in {MAX_ROUNDS:,} draws no prompt of the lengths asked for was {kind}; "
        "the task has too few different prompts of these lengths"
    )


def _together(parts: list[tuple[Indices, Examples]], n: int) -> Examples:
    """The rows of the parts in their places, as wide as the widest part."""
    names = [field.name for field in fields(Examples) if getattr(parts[0][1], field.name) is not None]
    return Examples(**{name: _placed([(rows, getattr(part, name)) for rows, part in parts], n) for name in names})


def _placed(
    parts: list[tuple[Indices, Int[np.ndarray, "_row _width"] | Bool[np.ndarray, "_row _width"]]], n: int
) -> Int[np.ndarray, "example width"] | Bool[np.ndarray, "example width"]:
    first = parts[0][1]
    filler = False if first.dtype == bool else BLANK
    whole = np.full((n, max(values.shape[1] for _, values in parts)), filler, dtype=first.dtype)
    for rows, values in parts:
        whole[rows, : values.shape[1]] = values
    return whole
