"""What `headreuse tasks` prints."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from headreuse.errors import HeadreuseError
from headreuse.registry import Registry
from headreuse.study.own_tasks import check_files, read_files
from headreuse.tasks import TASKS, Task


def choices(own: Sequence[Path], *, alphabet_size: int, grid_size: int) -> Registry[Task]:
    """All tasks of the package, then those of a user's own files, which are executed and checked."""
    sizes = {"alphabet_size": alphabet_size, "grid_size": grid_size}
    files, problems = read_files([str(path) for path in own], Path(), sizes)
    problems = problems or check_files(files, lambda _name: None, **sizes)
    if problems:
        raise HeadreuseError("\n".join(problems))
    found: Registry[Task] = Registry("task")
    for name, cls in TASKS.items():
        found.add(name, cls(**sizes))
    for file in files:
        for entry in file.tasks:
            found.add(entry.name, file.task(entry, **sizes))
    return found


def task_lines(tasks: Registry[Task], *, seed: int) -> Iterator[str]:
    """A line for each task: name, smallest length, an example, what it asks."""
    width = max(map(len, tasks))
    for name, task in tasks.items():
        prompt, answer, _ = _examples(task, _usual_length(task), 1, seed)[0]
        about = (type(task).__doc__ or "").strip().partition("\n")[0]
        yield f"{name:{width}}  length {_lengths(task)}   {prompt} {answer}   {about}"


def example_lines(task: Task, *, length: int | None, n: int, seed: int, plain: bool) -> Iterator[str]:
    """Examples of one task: `prompt<TAB>answer` alone where `plain`, else with the corrupted partner beside them."""
    if length is not None and length < task.min_length:
        raise HeadreuseError(f"--length {length}: the shortest {task.name} is {task.min_length}")
    if length is not None and task.max_length is not None and length > task.max_length:
        raise HeadreuseError(f"--length {length}: the longest {task.name} is {task.max_length}")
    rows = _examples(task, length or _usual_length(task), n, seed)
    if plain:
        yield from (f"{prompt}\t{answer}" for prompt, answer, _ in rows)
        return
    about = (type(task).__doc__ or "").strip()
    yield f"{task.name}, marker {task.marker}, lengths {_lengths(task)}: {about}"
    yield "prompt  answer  corrupted partner"
    yield from (f"{prompt}  {answer}  {corrupted}" for prompt, answer, corrupted in rows)


def _usual_length(task: Task) -> int:
    length = max(6, task.min_length)
    return length if task.max_length is None else min(length, task.max_length)


def _lengths(task: Task) -> str:
    return f"{task.min_length}+" if task.max_length is None else f"{task.min_length}-{task.max_length}"


def _examples(task: Task, length: int, n: int, seed: int) -> list[tuple[str, str, str]]:
    drawn = task.generate(np.full(n, length), np.random.default_rng(seed))
    rows = zip(drawn.prompt, drawn.only_scored(drawn.answer), drawn.corrupted_prompt, strict=True)
    return [(task.text(prompt), task.text(answer), task.text(corrupted)) for prompt, answer, corrupted in rows]
