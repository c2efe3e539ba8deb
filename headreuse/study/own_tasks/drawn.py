"""Examples as a task drew them, held against `Examples` and against the task's oracle."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from headreuse.study.own_tasks.faults import TaskError, blaming
from headreuse.tasks import BLANK, Examples, Task

PARTS = ("prompt", "answer", "corrupted_prompt", "corrupted_answer")
Rows = Int[np.ndarray, "example width"]


def check_examples(task: Task, lengths: Int[np.ndarray, "example"] | None, examples: Any) -> None:
    """Refuse examples that are no such, or that the oracle answers otherwise; None for lengths that are not known."""
    if not isinstance(examples, Examples):
        raise TaskError(f"generate returns a {type(examples).__name__}; return Examples(prompt, answer, …)")
    for name in PARTS:
        _check_rows(task, name, getattr(examples, name), None if lengths is None else len(lengths))
    _check_partners(task, examples)
    _check_scored(examples)
    for prompts, answers in (("prompt", "answer"), ("corrupted_prompt", "corrupted_answer")):
        _check_answers(task, lengths, getattr(examples, prompts), examples.only_scored(getattr(examples, answers)))


def _check_rows(task: Task, name: str, rows: Any, n: int | None) -> None:
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind not in "iu":
        what = f"{rows.ndim}-dimensional {rows.dtype} array" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise TaskError(f"{name} of its Examples is a {what}; give a 2-dimensional array of whole numbers")
    if n is not None and len(rows) != n:
        raise TaskError(f"{name} has {len(rows)} rows for {n} lengths; give one for each")
    if (wrong := (rows < BLANK) | (rows >= len(task.alphabet))).any():
        last = len(task.alphabet) - 1
        raise TaskError(f"{name} holds {rows[wrong][0]}, no symbol of its alphabet; they go from 0 to {last}")
    filled = rows != BLANK
    if (filled[:, 1:] & ~filled[:, :-1]).any():
        raise TaskError(f"{name} has symbols after a BLANK; fill rows from the left, then BLANK")
    if not filled.any(axis=1).all():
        raise TaskError(f"{name} has a row without a symbol; give every row one at least")


def _check_partners(task: Task, examples: Examples) -> None:
    """The corrupted partners have the layout of the clean ones, and are others."""
    separators = np.array([symbol in task.separators for symbol in task.alphabet] + [False])
    for name in ("prompt", "answer"):
        clean, corrupted = getattr(examples, name), getattr(examples, f"corrupted_{name}")
        what = f"corrupted_{name} has another layout than {name}"
        if clean.shape != corrupted.shape:
            raise TaskError(f"{what}: an array of {_sides(corrupted)} beside one of {_sides(clean)}; make them alike")
        if (wrong := ((clean == BLANK) != (corrupted == BLANK)).any(axis=1)).any():
            raise TaskError(f"{what}: {_pair(task, clean, corrupted, wrong)}; give both as many symbols")
        if name == "prompt" and (wrong := (separators[clean] != separators[corrupted]).any(axis=1)).any():
            raise TaskError(f"{what}: {_pair(task, clean, corrupted, wrong)}; leave separators where they are")
        if (wrong := (clean == corrupted).all(axis=1)).any():
            raise TaskError(f"corrupted_{name} is no other than {name}: {_pair(task, clean, corrupted, wrong)}")


def _check_scored(examples: Examples) -> None:
    scored: Any = examples.scored
    if scored is None:
        return
    if not isinstance(scored, np.ndarray) or scored.dtype != bool or scored.shape != examples.answer.shape:
        raise TaskError(f"scored is no array of True and False of {_sides(examples.answer)}, as answer is")
    if (scored & (examples.answer == BLANK)).any():
        raise TaskError("scored is True where answer is BLANK; score symbols of the answer alone")
    if not scored.any(axis=1).all():
        raise TaskError("scored leaves a row without a scored symbol; score one at least")


def _check_answers(task: Task, lengths: Int[np.ndarray, "example"] | None, prompts: Rows, answers: Rows) -> None:
    """The generator's answers are the oracle's, and of the length that the task states where it states one."""
    stated = getattr(task, "answer_length", None)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        text, given = task.text(prompt), task.text(answer)
        with blaming(f"answer({text!r})"):
            right = task.answer(text)
        if not isinstance(right, str):
            raise TaskError(f"answer({text!r}) is {right!r}; return the answer's text")
        if len(right) != len(given):
            raise TaskError(
                f"generate gives {text!r} an answer of {len(given)} characters, {given!r}, "
                f"but its oracle one of {len(right)}, {right!r}"
            )
        if right != given:
            raise TaskError(f"generate answers {text!r} with {given!r}, but its oracle with {right!r}")
        if callable(stated) and lengths is not None:
            n_symbols, length = int((answer != BLANK).sum()), int(lengths[row])
            with blaming(f"answer_length({length})"):
                said = stated(length)
            if n_symbols != said:
                raise TaskError(
                    f"the answer to {text!r}, {given!r}, has {n_symbols} symbols, but answer_length({length}) is {said}"
                )


def _pair(task: Task, clean: Rows, corrupted: Rows, rows: Bool[np.ndarray, "example"]) -> str:
    row = int(rows.argmax())
    return f"{task.text(corrupted[row])!r} beside {task.text(clean[row])!r}"


def _sides(rows: np.ndarray) -> str:
    return " × ".join(map(str, rows.shape))
