"""What `headreuse tasks` prints."""

from collections.abc import Iterator

import numpy as np

from headreuse.problems import HeadreuseError
from headreuse.tasks import TASKS, Task


def task_lines(*, alphabet_size: int, seed: int) -> Iterator[str]:
    """A line for each task: name, smallest length, an example, what it asks."""
    width = max(map(len, TASKS))
    for name, cls in TASKS.items():
        task = cls(alphabet_size=alphabet_size)
        prompt, answer, _ = _examples(task, max(6, task.min_length), 1, seed)[0]
        about = (cls.__doc__ or "").strip().splitlines()[0]
        yield f"{name:{width}}  length {task.min_length}+   {prompt} {answer}   {about}"


def example_lines(
    name: str, *, length: int | None, n: int, seed: int, alphabet_size: int, plain: bool
) -> Iterator[str]:
    """Examples of one task: `prompt<TAB>answer` alone where `plain`, else with the corrupted partner beside them."""
    task = TASKS[name](alphabet_size=alphabet_size)
    if length is not None and length < task.min_length:
        raise HeadreuseError(f"--length {length}: the shortest {name} is {task.min_length}")
    rows = _examples(task, length or max(6, task.min_length), n, seed)
    if plain:
        yield from (f"{prompt}\t{answer}" for prompt, answer, _ in rows)
        return
    yield f"{name}, marker {task.marker}, shortest length {task.min_length}: {(task.__doc__ or '').strip()}"
    yield "prompt  answer  corrupted partner"
    yield from (f"{prompt}  {answer}  {corrupted}" for prompt, answer, corrupted in rows)


def _examples(task: Task, length: int, n: int, seed: int) -> list[tuple[str, str, str]]:
    drawn = task.generate(np.full(n, length), np.random.default_rng(seed))
    rows = zip(drawn.prompt, drawn.answer, drawn.corrupted_prompt, strict=True)
    return [(task.text(prompt), task.text(answer), task.text(corrupted)) for prompt, answer, corrupted in rows]
