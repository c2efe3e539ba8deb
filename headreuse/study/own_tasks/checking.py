"""Is a task fit to be trained on? Some of its examples beside its own oracle, and all that the stages rely on.

What is wrong is told in one line, of the task's first fault alone.
"""

import re

import numpy as np
from jaxtyping import Int

from headreuse.prompts import SPECIALS
from headreuse.study.own_tasks.drawn import check_examples
from headreuse.study.own_tasks.faults import TaskError, blaming
from headreuse.tasks import Examples, Task, evaluation_examples, training_examples

SEED, ANOTHER_SEED = 0, 1
N_EXAMPLES = 64
FURTHER = 6
"""Lengths past the smallest that are tried where nobody says up to which length the task is asked for."""
SHOWN = re.compile(r"`([^`\n]+)`\s+→\s+`([^`\n]+)`")
"""An example in a task's docstring."""


def check_declared(task: Task) -> None:
    """Refuse a task that tells lengths, symbols or a marker that nothing can be done with."""
    smallest, largest = task.min_length, task.max_length
    if type(smallest) is not int or smallest < 1:
        raise TaskError(f"min_length is {smallest!r}; give a whole number from 1 on")
    if largest is not None and (type(largest) is not int or largest < smallest):
        raise TaskError(f"max_length is {largest!r}; give None or a whole number from min_length, {smallest}, on")
    if type(task.held_out_one_in) is not int or task.held_out_one_in < 2:
        raise TaskError(f"held_out_one_in is {task.held_out_one_in!r}; give a whole number from 2 on")
    if task.marker != f"<{task.name}>" or task.marker in SPECIALS:
        other = "leave it as it is" if task.marker not in SPECIALS else "give the task another name"
        raise TaskError(f"its marker {task.marker!r} is not its own; {other}")
    with blaming("alphabet"):
        alphabet = task.alphabet
    if not isinstance(alphabet, tuple) or not alphabet:
        raise TaskError(f"alphabet is {alphabet!r}; give a tuple of symbols such as ('a', 'b', '=')")
    for index, symbol in enumerate(alphabet):
        if not isinstance(symbol, str) or not symbol or not symbol.isprintable():
            raise TaskError(f"alphabet holds {symbol!r}; a symbol is a text of printable characters")
        if symbol in alphabet[:index]:
            raise TaskError(f"alphabet holds {symbol!r} twice; name each symbol once")
        if re.fullmatch("<.+>", symbol):
            raise TaskError(f"alphabet holds {symbol!r}; symbols in <> are kept for markers")


def check_shown(task: Task) -> None:
    """Refuse a task whose docstring shows an example `prompt` → `answer` that its oracle answers otherwise."""
    for prompt, shown in SHOWN.findall(type(task).__doc__ or ""):
        with blaming(f"answer({prompt!r}), which its docstring shows,"):
            answer = task.answer(prompt)
        if answer != shown:
            raise TaskError(f"its docstring shows {prompt!r} → {shown!r}, but answer({prompt!r}) is {answer!r}")


def check_task(task: Task, *, longest: int | None = None) -> None:
    """Refuse a task whose examples up to a length are not what its oracle, or a training, needs them to be."""
    lengths = _lengths_to_try(task, longest)
    examples = _generated(task, lengths, SEED)
    check_examples(task, lengths, examples)
    again, other = _generated(task, lengths, SEED), _generated(task, lengths, ANOTHER_SEED)
    if not _same(examples, again):
        raise TaskError("generate gives other examples from the same seed; draw from `generator` alone")
    if np.array_equal(examples.prompt, other.prompt):
        raise TaskError("generate gives the same prompts from another seed; draw from `generator`")
    _check_kept_apart(task, np.unique(lengths), int(lengths.max()))


def _lengths_to_try(task: Task, longest: int | None) -> Int[np.ndarray, "example"]:
    """Short and long beside each other, as training draws them; not to be written to."""
    limits = [n for n in (task.min_length + FURTHER if longest is None else longest, task.max_length) if n is not None]
    last = max(task.min_length, min(limits))
    lengths = np.linspace(task.min_length, last, N_EXAMPLES).round().astype(int)
    lengths = np.random.default_rng(SEED).permutation(lengths)
    lengths.flags.writeable = False
    return lengths


def _generated(task: Task, lengths: Int[np.ndarray, "example"], seed: int) -> Examples:
    with blaming("generate"):
        return task.generate(lengths, np.random.default_rng(seed))


def _check_kept_apart(task: Task, lengths: Int[np.ndarray, "example"], longest: int) -> None:
    """Prompts are kept out of training for the evaluation, so there must be some of both at every length."""
    with blaming("drawing prompts for the evaluation"):
        evaluated = evaluation_examples(task, lengths, np.random.default_rng(SEED))
    check_examples(task, lengths, evaluated)
    with blaming("drawing prompts for training"):
        trained = training_examples(task, N_EXAMPLES, longest, np.random.default_rng(SEED))
    check_examples(task, None, trained)


def _same(some: Examples, others: Examples) -> bool:
    names = ("prompt", "answer", "corrupted_prompt", "corrupted_answer")
    return all(np.array_equal(getattr(some, name), getattr(others, name)) for name in names)
