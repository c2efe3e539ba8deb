"""Can a model be trained on this task? Checks what the stages rely on, and some examples against the task's oracle.

The first fault of a task raises a `TaskError` of one line.
"""

import re

import numpy as np
from jaxtyping import Int

from headreuse.prompts import SPECIALS
from headreuse.study import limits
from headreuse.study.own_tasks.drawn import PARTS, check_examples
from headreuse.study.own_tasks.faults import TaskError, blaming
from headreuse.study.showing import shown
from headreuse.tasks import Examples, Task, evaluation_examples, is_held_out, training_examples

SEED, ANOTHER_SEED = 0, 1
N_EXAMPLES = 64
N_SHORT = 32
"""The shortest lengths are all tried, since these are the ones that may have too few prompts."""
N_OF_A_LENGTH = (64, 4096)
"""Prompts drawn of one length to find one that is held out; the many where the few hold none."""
N_MORE_LENGTHS = 6
"""How many lengths after the smallest are tried if no longest length is given."""
SHOWN = re.compile(r"`([^`\n]+)`\s+→\s+`([^`\n]+)`")
"""An example in a task's docstring."""


def check_declared(task: Task) -> None:
    """Raise if the lengths, the symbols or the marker of a task cannot be used."""
    smallest, largest = task.min_length, task.max_length
    if type(smallest) is not int or smallest < 1:
        raise TaskError(f"min_length is {smallest!r}; give a whole number of at least 1")
    if smallest > limits.LENGTH:
        raise TaskError(f"min_length is {shown(smallest)}; at most {limits.LENGTH} works")
    if largest is not None and (type(largest) is not int or largest < smallest):
        raise TaskError(f"max_length is {largest!r}; give None or a whole number of at least min_length, {smallest}")
    if type(task.held_out_one_in) is not int or task.held_out_one_in < 2:
        raise TaskError(f"held_out_one_in is {task.held_out_one_in!r}; give a whole number of at least 2")
    if task.marker in SPECIALS:
        raise TaskError(f"its marker {task.marker!r} is a token of every model; give the task another name")
    if task.marker != f"<{task.name}>":
        raise TaskError(f"its marker is {task.marker!r}; leave it as '<{task.name}>'")
    with blaming("alphabet"):
        alphabet = task.alphabet
    if not isinstance(alphabet, tuple) or not alphabet:
        raise TaskError(f"alphabet is {alphabet!r}; give a tuple of symbols such as ('a', 'b', '=')")
    for index, symbol in enumerate(alphabet):
        if not isinstance(symbol, str) or not symbol or not symbol.isprintable():
            raise TaskError(f"alphabet holds {symbol!r}; give each symbol as a string of printable characters")
        if symbol in alphabet[:index]:
            raise TaskError(f"alphabet holds {symbol!r} twice; name each symbol once")
        if re.fullmatch("<.+>", symbol):
            raise TaskError(f"alphabet holds {symbol!r}; symbols in <> are reserved for markers, so write it otherwise")


def check_shown(task: Task) -> None:
    """Raise if an example `prompt` → `answer` in the task's docstring does not have the oracle's answer."""
    for prompt, written in SHOWN.findall(type(task).__doc__ or ""):
        with blaming(f"answer({prompt!r}), an example in its docstring,"):
            answer = task.answer(prompt)
        if answer != written:
            raise TaskError(
                f"its docstring shows {prompt!r} → {written!r}, but answer({prompt!r}) is {answer!r}; correct one"
            )


def check_task(task: Task, *, longest: int | None = None) -> None:
    """Raise if examples up to a length contradict the task's oracle or cannot be trained on."""
    lengths = _lengths_to_try(task, longest)
    examples = _generated(task, lengths, SEED)
    check_examples(task, lengths, examples)
    again, other = _generated(task, lengths, SEED), _generated(task, lengths, ANOTHER_SEED)
    if not _same(examples, again):
        raise TaskError(
            "generate gives different examples from the same seed; draw all random numbers from `generator`"
        )
    if np.array_equal(examples.prompt, other.prompt):
        raise TaskError("generate gives the same prompts from different seeds; draw random numbers from `generator`")
    _check_kept_apart(task, np.unique(lengths), int(lengths.max()))


def _lengths_to_try(task: Task, longest: int | None) -> Int[np.ndarray, "example"]:
    """Short and long lengths mixed, as in training; the array is read-only, so that a task that changes it fails."""
    limits = [
        n for n in (task.min_length + N_MORE_LENGTHS if longest is None else longest, task.max_length) if n is not None
    ]
    last = max(task.min_length, min(limits))
    short = np.arange(task.min_length, last + 1)[:N_SHORT]
    spread = np.linspace(task.min_length, last, N_EXAMPLES - len(short)).round().astype(int)
    lengths = np.concatenate([short, spread])
    lengths = np.random.default_rng(SEED).permutation(lengths)
    lengths.flags.writeable = False
    return lengths


def _generated(task: Task, lengths: Int[np.ndarray, "example"], seed: int) -> Examples:
    with blaming("generate"):
        return task.generate(lengths, np.random.default_rng(seed))


def _check_kept_apart(task: Task, lengths: Int[np.ndarray, "example"], longest: int) -> None:
    """Raise unless every length has prompts for the evaluation, which are kept out of training, and others to train."""
    for length in lengths[:N_SHORT]:
        _check_held_out(task, int(length))
    with blaming("drawing prompts for the evaluation"):
        evaluated = evaluation_examples(task, lengths, np.random.default_rng(SEED))
    check_examples(task, lengths, evaluated)
    with blaming("drawing prompts for training"):
        trained = training_examples(task, N_EXAMPLES, longest, np.random.default_rng(SEED))
    check_examples(task, None, trained)


def _check_held_out(task: Task, length: int) -> None:
    """Raise where a length seems to have no prompt for the evaluation, which would be drawn in vain for minutes."""
    for n in N_OF_A_LENGTH:
        with blaming(f"generate for {n} examples of length {length}"):
            drawn = task.generate(np.full(n, length), np.random.default_rng(SEED))
        if is_held_out(task, drawn.prompt).any():
            return
    raise TaskError(
        f"none of {n:,} prompts of length {length} is held out for the evaluation; "
        f"give the task more different prompts of this length, or begin at a greater min_length"
    )


def _same(some: Examples, others: Examples) -> bool:
    return all(np.array_equal(getattr(some, part), getattr(others, part)) for part in PARTS)
