"""Examples as a task drew them, checked against what `Examples` promises and against the task's oracle."""

import numpy as np
from jaxtyping import Bool, Int

from headreuse.study.own_tasks.faults import TaskError, blaming
from headreuse.tasks import BLANK, Examples, Task

PARTS = ("prompt", "answer", "corrupted_prompt", "corrupted_answer")

Rows = Int[np.ndarray, "example width"]
Lengths = Int[np.ndarray, "example"]


def check_examples(task: Task, lengths: Lengths | None, examples: object) -> None:
    """Raise if a task's examples break a rule or if its oracle answers them otherwise; `lengths` None if not known."""
    if not isinstance(examples, Examples):
        raise TaskError(f"generate returns a {type(examples).__name__}; return Examples(prompt, answer, …)")
    for part in PARTS:
        _check_rows(task, part, getattr(examples, part), None if lengths is None else len(lengths))
    _check_partners(task, examples)
    _check_scored(examples)
    for prompts, answers in (("prompt", "answer"), ("corrupted_prompt", "corrupted_answer")):
        _check_answers(task, lengths, getattr(examples, prompts), examples.only_scored(getattr(examples, answers)))


def _check_rows(task: Task, part: str, rows: object, n: int | None) -> None:
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind not in "iu":
        what = f"{rows.ndim}-dimensional {rows.dtype} array" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise TaskError(f"{part} of its Examples is a {what}; give a 2-dimensional array of integers")
    if n is not None and len(rows) != n:
        raise TaskError(f"{part} has {len(rows)} rows for {n} lengths; give one row for each length")
    if (wrong := (rows < BLANK) | (rows >= len(task.alphabet))).any():
        last = len(task.alphabet) - 1
        raise TaskError(f"{part} holds {rows[wrong][0]}, which is no index of its alphabet; they go from 0 to {last}")
    filled = rows != BLANK
    if (filled[:, 1:] & ~filled[:, :-1]).any():
        raise TaskError(f"{part} has symbols after a BLANK; fill rows from the left, then BLANK")
    if not filled.any(axis=1).all():
        raise TaskError(f"{part} has a row without symbols; give every row at least one")


def _check_partners(task: Task, examples: Examples) -> None:
    """Corrupted partners have the layout of the clean examples, and are not equal to them."""
    separates = np.array([symbol in task.separators for symbol in task.alphabet] + [False])
    for part in ("prompt", "answer"):
        clean, corrupted = getattr(examples, part), getattr(examples, f"corrupted_{part}")
        what = f"corrupted_{part} has another layout than {part}"
        if clean.shape != corrupted.shape:
            raise TaskError(f"{what}: its array is {_sides(corrupted)}, not {_sides(clean)}; give both the same shape")
        if (wrong := ((clean == BLANK) != (corrupted == BLANK)).any(axis=1)).any():
            pair = _pair(task, clean, corrupted, wrong)
            raise TaskError(f"{what}: {pair}; give both the same number of symbols")
        if part == "prompt" and (wrong := (separates[clean] != separates[corrupted]).any(axis=1)).any():
            raise TaskError(f"{what}: {_pair(task, clean, corrupted, wrong)}; keep separators in their places")
        if (wrong := (clean == corrupted).all(axis=1)).any():
            row = int(wrong.argmax())
            prompts = f"{task.text(examples.corrupted_prompt[row])!r} for {task.text(examples.prompt[row])!r}"
            right = "change a symbol" if part == "prompt" else "change the prompt so that the answer changes"
            raise TaskError(f"corrupted_{part} is the same as {part} in a row (corrupted_prompt {prompts}); {right}")


def _check_scored(examples: Examples) -> None:
    scored: object = examples.scored
    if scored is None:
        return
    if not isinstance(scored, np.ndarray) or scored.dtype != bool or scored.shape != examples.answer.shape:
        raise TaskError(
            f"scored is not an array of True and False with the shape of answer, {_sides(examples.answer)}; "
            "give such an array, or None to score the whole answer"
        )
    if (scored & (examples.answer == BLANK)).any():
        raise TaskError("scored is True where answer is BLANK; score symbols of the answer only")
    if not scored.any(axis=1).all():
        raise TaskError("scored has a row without True; score at least one symbol of each answer")


def _check_answers(
    task: Task, lengths: Lengths | None, prompts: Rows, answers: Int[np.ndarray, "example answer_width"]
) -> None:
    """The generator's answers are the oracle's; if the task has a method `answer_length`, they have that length."""
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        text, given = task.text(prompt), task.text(answer)
        with blaming(f"answer({text!r})"):
            right = task.answer(text)
        if not isinstance(right, str):
            raise TaskError(f"answer({text!r}) returns {right!r}; return the answer as text")
        if right != given:
            sizes = "" if len(right) == len(given) else f" ({len(given)} characters, not {len(right)})"
            raise TaskError(
                f"generate answers {text!r} with {given!r}, but answer({text!r}) is {right!r}{sizes}; make them agree"
            )
        if lengths is not None:
            _check_answer_length(task, text, int(lengths[row]), n_symbols=int((answer != BLANK).sum()))


def _check_answer_length(task: Task, text: str, length: int, *, n_symbols: int) -> None:
    stated_by = getattr(task, "answer_length", None)
    if not callable(stated_by):
        return
    with blaming(f"answer_length({length})"):
        stated = stated_by(length)
    if n_symbols != stated:
        raise TaskError(
            f"the answer to {text!r} has {n_symbols} symbols, but answer_length({length}) is {stated}; make them agree"
        )


def _pair(task: Task, clean: Rows, corrupted: Rows, rows: Bool[np.ndarray, "example"]) -> str:
    row = int(rows.argmax())
    return f"{task.text(corrupted[row])!r} for {task.text(clean[row])!r}"


def _sides(rows: np.ndarray) -> str:
    return " × ".join(map(str, rows.shape))
