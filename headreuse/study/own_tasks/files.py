"""A user's file of tasks: what a study keeps of it, and the one place where it is executed.

A study keeps the text of the file and what readers must know of its tasks. Reading a study executes nothing: its tasks
are then known by name and lengths alone. Only `load` executes the text, for commands that train or measure.
"""

import ast
import hashlib
import re
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Annotated

from jaxtyping import Int
from numpy import ndarray
from numpy.random import Generator
from pydantic import BaseModel, ConfigDict, Field

from headreuse.errors import HeadreuseError
from headreuse.study.own_tasks.checking import check_declared, check_shown
from headreuse.study.own_tasks.faults import MODULE, TaskError, blaming, line_of, one_line
from headreuse.tasks import TASKS, Examples, Task

FIT_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
"""Names that may stand on the command line and in the name of a file."""
LONGEST_NAME = 64
REQUIRED = {
    "answer": "no oracle: define answer(self, prompt), which works the answer out from a prompt's text",
    "generate": "no generate(self, lengths, generator): define it, to return Examples",
    "alphabet": "no alphabet: give the tuple of its symbols, such as alphabet = ('a', 'b', '=')",
}

_loaded: dict[str, Mapping[str, type[Task]]] = {}
"""The tasks of every file that this process has executed, by the file's text."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class OwnTask(_Frozen):
    """What readers of a study know of a user's task."""

    name: Annotated[str, Field(pattern=FIT_NAME, max_length=LONGEST_NAME)]
    min_length: Annotated[int, Field(ge=1)]
    max_length: int | None = None


class TaskFile(_Frozen):
    """A user's file of tasks as a study keeps it."""

    file: str
    """As the study file names it; to be shown, never to be opened."""
    source: str
    """Its text."""
    tasks: Annotated[tuple[OwnTask, ...], Field(min_length=1, strict=False)]

    def load(self) -> None:
        """Execute it, for commands that train or measure; refused where its tasks are not those that were kept."""
        there = {(name, cls.min_length) for name, cls in load(self.file, self.source).items()}
        if there != {(own.name, own.min_length) for own in self.tasks}:
            names = ", ".join(sorted(name for name, _ in there))
            raise HeadreuseError(f"{self.file}: its tasks ({names}) are not those that the study keeps of it")

    def task(self, own: OwnTask, *, alphabet_size: int, grid_size: int) -> Task:
        """One of its tasks: whole where this process has executed the file, else its name and lengths alone."""
        if self.source in _loaded:
            return _loaded[self.source][own.name](alphabet_size=alphabet_size, grid_size=grid_size)
        return Unloaded(own)


class Unloaded(Task):
    """A user's task that has not been executed: its name and lengths, but neither prompts nor answers."""

    def __init__(self, own: OwnTask) -> None:
        super().__init__()
        self.name, self.min_length = own.name, own.min_length  # type: ignore[misc]
        self._max_length = own.max_length

    @property
    def max_length(self) -> int | None:
        """As the study keeps it."""
        return self._max_length

    @property
    def alphabet(self) -> tuple[str, ...]:
        """Not known."""
        raise self._not_loaded()

    def answer(self, prompt: str) -> str:
        """Not known."""
        raise self._not_loaded()

    def generate(self, lengths: Int[ndarray, "example"], generator: Generator) -> Examples:
        """Not known."""
        raise self._not_loaded()

    def _not_loaded(self) -> HeadreuseError:
        return HeadreuseError(f"task {self.name!r} is a user's own and not loaded here; only `run` executes such tasks")


def load(file: str, source: str) -> Mapping[str, type[Task]]:
    """The tasks of a file by name: executes its text, once in a process; its first fault ends in one line."""
    if source not in _loaded:
        _loaded[source] = _executed(file, source)
    return _loaded[source]


def describe(file: str, source: str, *, alphabet_size: int, grid_size: int) -> TaskFile:
    """Execute a file and check that each of its tasks is whole; what it draws is not looked at yet."""
    own = []
    for cls in load(file, source).values():
        try:
            check_shown(instance(cls))
            task = instance(cls, alphabet_size=alphabet_size, grid_size=grid_size)
            check_declared(task)
        except TaskError as error:
            raise told(error, file, source, cls) from error
        own.append(OwnTask(name=task.name, min_length=task.min_length, max_length=task.max_length))
    return TaskFile(file=file, source=source, tasks=tuple(own))


def instance(cls: type[Task], **settings: int) -> Task:
    """A task of a user's class."""
    with blaming(f"{cls.__name__}({', '.join(f'{name}={value}' for name, value in settings.items())})"):
        return cls(**settings)


def told(error: TaskError, file: str, source: str, cls: type[Task]) -> HeadreuseError:
    """A task's fault with its place: the line at fault, or that of its class."""
    return HeadreuseError(f"{_place(file, error.line or _line_of_class(source, cls))}: task {cls.name!r}: {error}")


def _executed(file: str, source: str) -> Mapping[str, type[Task]]:
    name = MODULE + hashlib.sha256(source.encode()).hexdigest()[:16]
    module = ModuleType(name)
    # Dataclasses and pickles look a class's module up by its name.
    sys.modules[name] = module
    try:
        with TASKS.apart() as found:
            exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise HeadreuseError(f"{_place(file, line_of(error))}: {one_line(error)}") from error
    if not found:
        raise HeadreuseError(f'{file}: no task in it; put @task("name") above a subclass of Task')
    for task_name, cls in found.items():
        try:
            _check_class(task_name, cls)
        except TaskError as error:
            line = _line_of_class(source, cls)
            raise HeadreuseError(f"{_place(file, line)}: task {task_name!r}: {error}") from error
    return found


def _check_class(name: object, cls: object) -> None:
    if not isinstance(name, str) or not re.fullmatch(FIT_NAME, name) or len(name) > LONGEST_NAME:
        right = re.sub(r"[^A-Za-z0-9_-]+", "_", str(name)).strip("_-")[:LONGEST_NAME] or "my_task"
        raise TaskError(
            f"this name does not fit the command line; use letters, digits, _ and -, {LONGEST_NAME} at most, "
            f"a letter or digit first, such as {right!r}"
        )
    if not (isinstance(cls, type) and issubclass(cls, Task)):
        raise TaskError("not a subclass of headreuse.tasks.Task; make it one")
    if cls.name != name:
        raise TaskError(f"{cls.__name__} is a task {cls.name!r}, too; give a class one name, or derive another from it")
    missing = sorted(cls.__abstractmethods__)
    if missing:
        raise TaskError(REQUIRED.get(missing[0], f"{missing[0]} is missing; define it"))


def _line_of_class(source: str, cls: object) -> int | None:
    name, kinds = getattr(cls, "__name__", None), ast.ClassDef | ast.FunctionDef
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds) and node.name == name]
    return found[-1].lineno if found else None


def _place(file: str, line: int | None) -> str:
    return file if line is None else f"{file} line {line}"
