"""A user's file of tasks: what a study keeps of it, and the one place where it is executed.

It is executed in the process that checks the study, where nothing can stop it: a file that never comes to its end hangs
the command until Ctrl-C.

A study keeps the text of the file, and the names and lengths of its tasks. Reading a study executes nothing: only the
names and lengths are then known. `load` alone executes the text, for commands that train or measure.
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
"""Names that can be used on the command line and in names of files."""
LONGEST_NAME = 64
REQUIRED = {
    "answer": "it has no oracle; define answer(self, prompt), which returns the answer to a prompt's text",
    "generate": "it has no generator; define generate(self, lengths, generator), which returns Examples",
    "alphabet": "it has no alphabet; give the tuple of its symbols, such as alphabet = ('a', 'b', '=')",
}

_loaded: dict[str, Mapping[str, type[Task]]] = {}
"""The tasks of each file that this process has executed; the key is the file's text."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TaskEntry(_Frozen):
    """What a study keeps of a user's task, known without executing its file."""

    name: Annotated[str, Field(pattern=FIT_NAME, max_length=LONGEST_NAME)]
    min_length: Annotated[int, Field(ge=1)]
    max_length: int | None = None


class TaskFile(_Frozen):
    """A user's file of tasks as a study keeps it."""

    file: str
    """Its path as the study file writes it; shown in messages and never opened."""
    source: str
    """Its text."""
    tasks: Annotated[tuple[TaskEntry, ...], Field(min_length=1, strict=False)]

    def load(self) -> None:
        """Execute it, for commands that train or measure; raises if it has other tasks than the study keeps of it."""
        there = {(name, cls.min_length) for name, cls in load(self.file, self.source).items()}
        kept = {(entry.name, entry.min_length) for entry in self.tasks}
        if there != kept:
            tasks, expected = (
                ", ".join(f"{name} from length {n}" for name, n in sorted(group)) for group in (there, kept)
            )
            raise HeadreuseError(
                f"{self.file}: its text has the tasks {tasks}, but the study lists {expected}; "
                "run the study file again into another folder"
            )

    @property
    def classes(self) -> Mapping[str, type[Task]]:
        """The classes of its tasks by name; none if this process has not executed the file."""
        return _loaded.get(self.source, {})

    def task(self, entry: TaskEntry, *, alphabet_size: int, grid_size: int) -> Task:
        """One of its tasks: complete if this process has executed the file, else with name and lengths alone."""
        if self.classes:
            return self.classes[entry.name](alphabet_size=alphabet_size, grid_size=grid_size)
        return Unloaded(entry)


class Unloaded(Task):
    """A user's task whose file has not been executed: it has a name and lengths, but no prompts and no answers."""

    def __init__(self, entry: TaskEntry) -> None:
        super().__init__()
        self.name, self.min_length = entry.name, entry.min_length  # type: ignore[misc]
        self._max_length = entry.max_length

    @property
    def max_length(self) -> int | None:
        """The length that the study keeps."""
        return self._max_length

    @property
    def alphabet(self) -> tuple[str, ...]:
        """Raises: not known before the file is executed."""
        raise self._not_loaded()

    def answer(self, prompt: str) -> str:
        """Raises: not known before the file is executed."""
        raise self._not_loaded()

    def generate(self, lengths: Int[ndarray, "example"], generator: Generator) -> Examples:
        """Raises: not known before the file is executed."""
        raise self._not_loaded()

    def _not_loaded(self) -> HeadreuseError:
        return HeadreuseError(
            f"task {self.name!r} comes from a user's file, which is not executed here; use `run`, `train` or `score`"
        )


def load(file: str, source: str) -> Mapping[str, type[Task]]:
    """The tasks of a file by name: executes its text, once in a process; its first fault raises a one-line error."""
    if source not in _loaded:
        _loaded[source] = _executed(file, source)
    return _loaded[source]


def describe(file: str, source: str, *, alphabet_size: int, grid_size: int) -> TaskFile:
    """Execute a file and check that each of its tasks is complete; the examples it draws are not checked yet."""
    entries = []
    for cls in load(file, source).values():
        try:
            with blaming("what it declares"):
                check_shown(instance(cls))
                task = instance(cls, alphabet_size=alphabet_size, grid_size=grid_size)
                check_declared(task)
                entry = TaskEntry(name=cls.name, min_length=task.min_length, max_length=task.max_length)
        except TaskError as error:
            raise located(error, file, source, cls) from error
        entries.append(entry)
    return TaskFile(file=file, source=source, tasks=tuple(entries))


def instance(cls: type[Task], **sizes: int) -> Task:
    """A task of a user's class, whose constructor is the user's code, too."""
    with blaming(f"{cls.__name__}({', '.join(f'{name}={size}' for name, size in sizes.items())})"):
        return cls(**sizes)


def located(error: TaskError, file: str, source: str, cls: type[Task]) -> HeadreuseError:
    """A task's fault with its place: the line at fault, or the line of its class."""
    return HeadreuseError(f"{_place(file, error.line or _line_of_class(source, cls))}: task {cls.name!r}: {error}")


def _executed(file: str, source: str) -> Mapping[str, type[Task]]:
    """The tasks that a file's text registers when it is executed."""
    # The kept text is executed, not the file, so a study trains on the tasks that it was checked with, even if the file
    # has changed or is gone. The module's name comes from the text, so two files never share a module, and it is also
    # the file name in tracebacks, by which `line_of` finds the user's lines. It must be in `sys.modules` while the text
    # is executed, since dataclasses and pickle look up a class's module by name.
    # `TASKS.apart` takes what is registered out of the package's tasks again; a name of theirs is still refused.
    name = MODULE + hashlib.sha256(source.encode()).hexdigest()[:16]
    module = ModuleType(name)
    sys.modules[name] = module
    try:
        with TASKS.apart() as found:
            exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[name]
        raise HeadreuseError(f"{_place(file, line_of(error))}: {one_line(error)}") from error
    if not found:
        raise HeadreuseError(f'{file}: it registers no task; put @task("name") above a subclass of Task')
    for task_name, cls in found.items():
        try:
            with blaming("what it registers"):
                _check_class(task_name, cls)
        except TaskError as error:
            line = _line_of_class(source, cls)
            raise HeadreuseError(f"{_place(file, line)}: task {task_name!r}: {error}") from error
    return found


def _check_class(name: object, cls: object) -> None:
    if not isinstance(name, str) or not re.fullmatch(FIT_NAME, name) or len(name) > LONGEST_NAME:
        right = re.sub(r"[^A-Za-z0-9_-]+", "_", str(name)).strip("_-")[:LONGEST_NAME] or "my_task"
        raise TaskError(
            f"this name cannot be used on the command line; use at most {LONGEST_NAME} letters, digits, _ and -, "
            f"and begin with a letter or digit, for example {right!r}"
        )
    if not (isinstance(cls, type) and issubclass(cls, Task)):
        raise TaskError("it is not a subclass of headreuse.tasks.Task; make it one")
    if cls.name != name:
        raise TaskError(f"the class {cls.__name__} is also the task {cls.name!r}; give each task a class")
    missing = sorted(cls.__abstractmethods__)
    if missing:
        raise TaskError(REQUIRED.get(missing[0], f"it has no {missing[0]}; define it"))


def _line_of_class(source: str, cls: object) -> int | None:
    name, kinds = getattr(cls, "__name__", None), ast.ClassDef | ast.FunctionDef
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds) and node.name == name]
    return found[-1].lineno if found else None


def _place(file: str, line: int | None) -> str:
    return file if line is None else f"{file} line {line}"
