"""Tasks of a user's own: a Python file that a study names, loaded, checked and kept with the study."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from headreuse.errors import HeadreuseError
from headreuse.study.own_tasks.checking import check_task
from headreuse.study.own_tasks.faults import TaskError
from headreuse.study.own_tasks.files import OwnTask, TaskFile, describe, told

__all__ = ["OwnTask", "TaskFile", "check_files", "read_files"]

SIZES = {"alphabet_size": 26, "grid_size": 8}
"""What a task is made with where nothing else is said."""


def read_files(names: Any, beside: Path, sizes: Mapping[str, Any]) -> tuple[list[TaskFile], list[str]]:
    """Execute the files of these names, relative to `beside`, and describe them; and what is wrong, one line each."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return [], [f'tasks: {names!r} is not a list of Python files, such as ["my_tasks.py"]']
    files: list[TaskFile] = []
    problems: list[str] = []
    for name in names:
        try:
            file = describe(name, _source(beside / name, name), **_usable(sizes))
            _check_names(file, files)
            files.append(file)
        except HeadreuseError as error:
            problems.append(str(error))
    return files, problems


def check_files(files: Sequence[TaskFile], longest: Callable[[str], int | None], **sizes: int) -> list[str]:
    """What is wrong with the examples of tasks that are loaded, one line each; tried up to `longest` of each name."""
    problems = []
    for file in files:
        for own in file.tasks:
            task = file.task(own, **sizes)
            try:
                check_task(task, longest=longest(own.name))
            except TaskError as error:
                problems.append(str(told(error, file.file, file.source, type(task))))
    return problems


def _usable(sizes: Mapping[str, Any]) -> dict[str, int]:
    """Sizes that a study may have; what else it says of them is refused where the study is checked."""
    given = {name: sizes.get(name, default) for name, default in SIZES.items()}
    return {name: size if type(size) is int and 2 <= size <= 26 else SIZES[name] for name, size in given.items()}


def _source(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise HeadreuseError(f"{name}: no such file ({path}); give its path from the study file") from None
    except UnicodeDecodeError as error:
        raise HeadreuseError(f"{name}: no text in UTF-8 ({error.reason}); give a Python file") from None
    except OSError as error:
        raise HeadreuseError(f"{name}: could not be read: {error.strerror}; give a Python file") from None


def _check_names(file: TaskFile, others: Sequence[TaskFile]) -> None:
    taken = {own.name: other.file for other in others for own in other.tasks}
    for own in file.tasks:
        if own.name in taken:
            where = "named twice" if taken[own.name] == file.file else f"in {taken[own.name]}, too"
            raise HeadreuseError(f"{file.file}: the task name {own.name!r} is taken: it is {where}; choose another")
