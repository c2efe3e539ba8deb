"""The user's own tasks: a Python file that a study names is loaded, checked and kept with the study."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from headreuse.errors import HeadreuseError
from headreuse.study import limits
from headreuse.study.own_tasks.checking import check_task
from headreuse.study.own_tasks.faults import TaskError, blaming
from headreuse.study.own_tasks.files import TaskEntry, TaskFile, describe, located
from headreuse.study.showing import on_one_line, shown
from headreuse.study.texts import UnreadableError, read_text

__all__ = ["TaskEntry", "TaskFile", "check_files", "read_files"]

SIZES = {"alphabet_size": 26, "grid_size": 8}
"""The sizes that tasks are made with if the study gives none."""


def read_files(names: object, beside: Path, sizes: Mapping[str, object]) -> tuple[list[TaskFile], list[str]]:
    """Execute the files at these paths from `beside` and describe them; also what is wrong, one line each."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return [], [f'tasks: {shown(names)} is not a list of paths; give Python files such as ["my_tasks.py"]']
    if len(names) > limits.TASK_FILES:
        return [], [f"tasks: {len(names):,} files; at most {limits.TASK_FILES} work"]
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
    """What is wrong with the examples of loaded tasks, one line each; `longest` gives the length to try up to."""
    problems = []
    for file in files:
        for entry in file.tasks:
            try:
                with blaming("checking its examples"):
                    task = file.task(entry, **sizes)
                    check_task(task, longest=longest(entry.name))
            except TaskError as error:
                problems.append(str(located(error, file.file, file.source, file.classes[entry.name])))
    return problems


def _usable(sizes: Mapping[str, object]) -> dict[str, int]:
    """The sizes of a study that can be used; a wrong one is reported when the study is checked, and replaced here."""
    given = {name: sizes.get(name, default) for name, default in SIZES.items()}
    return {name: size if type(size) is int and 2 <= size <= 26 else SIZES[name] for name, size in given.items()}


def _source(path: Path, name: str) -> str:
    try:
        return read_text(path, limits.TASK_FILE_BYTES)
    except UnreadableError as error:
        where = f" ({path.absolute()})" if str(error) == "no such file" else ""
        raise HeadreuseError(f"{on_one_line(name)}: {error}{where}; give the path of a Python file") from None


def _check_names(file: TaskFile, others: Sequence[TaskFile]) -> None:
    taken = {entry.name: other.file for other in others for entry in other.tasks}
    for entry in file.tasks:
        if taken.get(entry.name) == file.file:
            raise HeadreuseError(f"{file.file}: the file is listed twice; list it once")
        if entry.name in taken:
            raise HeadreuseError(
                f"{file.file}: the task name {entry.name!r} is taken by a task in {taken[entry.name]}; choose another"
            )
