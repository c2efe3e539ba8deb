"""A study file (TOML) as frozen models; all its mistakes are found at once, with their places and what is right."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator, model_validator

from headreuse.errors import StudyError, explain, nearest
from headreuse.study.own_tasks import TaskFile, check_files, read_files
from headreuse.study.specs import (
    CheckpointSchedule,
    Count,
    Frozen,
    MeasureSpec,
    ModelSpec,
    Name,
    TaskRange,
    TrainingSpec,
)
from headreuse.study.unfolding import unfolded
from headreuse.tasks import TASKS, Task

__all__ = [
    "CheckpointSchedule",
    "Group",
    "MeasureSpec",
    "ModelSpec",
    "Study",
    "TaskRange",
    "TrainingSpec",
    "parse_study",
    "read_study",
]


class Group(Frozen):
    """A main task, the longer auxiliary tasks trained with it, and whether they are thought to be related."""

    name: Name
    kind: Literal["related", "control", "alone"] = "related"
    """`alone` exactly where there is no auxiliary, and needs not be said."""
    main: TaskRange
    auxiliary: tuple[TaskRange, ...] = Field(default=(), strict=False)
    evaluate_to: Count | None = None
    """Accuracy curves go at least to here, and so does the transfer range of a main task that has no auxiliary."""
    model: ModelSpec | None = None
    """None for the study's own."""
    training: TrainingSpec = TrainingSpec()
    """`model` and `training` are given in a study file as changes to the study's own."""

    @model_validator(mode="before")
    @classmethod
    def _alone_without_auxiliary(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and not raw.get("auxiliary") and raw.get("kind") is None:
            return raw | {"kind": "alone"}
        return raw

    @model_validator(mode="after")
    def _kind_fits(self) -> "Group":
        if (self.kind == "alone") == bool(self.auxiliary):
            right = "'related' or 'control'" if self.auxiliary else "'alone', or give an auxiliary"
            raise ValueError(f"kind {self.kind!r} with {len(self.auxiliary)} auxiliary tasks; make it {right}")
        return self

    @model_validator(mode="after")
    def _tasks_differ(self) -> "Group":
        names = [entry.task for entry in self.tasks]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"task {sorted(twice)[0]!r} is named twice; name each task of a group once")
        return self

    @property
    def tasks(self) -> tuple[TaskRange, ...]:
        """Main first, then the auxiliaries."""
        return (self.main, *self.auxiliary)

    @property
    def max_length(self) -> int:
        """Where the transfer range ends: the longest training length of its tasks, or `evaluate_to` if longer."""
        return max(self.evaluate_to or 0, *(entry.max_length for entry in self.tasks))

    @property
    def task_names(self) -> tuple[str, ...]:
        """Main's name first, then the auxiliaries'."""
        return tuple(entry.task for entry in self.tasks)

    def role(self, task: str) -> str:
        """`main` or `auxiliary`."""
        return "main" if task == self.main.task else "auxiliary"


class Study(Frozen):
    """A whole study: what is trained, how, and what is measured."""

    name: Name
    tasks: Annotated[tuple[TaskFile, ...], Field(strict=False)] = ()
    """Files of tasks of the user's own; given in a study file by their paths from there."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, strict=False)] = (0,)
    alphabet_size: Annotated[int, Field(ge=2, le=26)] = 26
    """Letters of the string tasks."""
    grid_size: Annotated[int, Field(ge=2, le=16)] = 8
    """Nodes on a side of the mazes' grid."""
    data_seed: Annotated[int, Field(ge=0)] = 0
    """Draws the training stream and the evaluation prompts; the same for every seed, so that seeds differ in
    initialisation alone."""
    model: ModelSpec = ModelSpec()
    training: TrainingSpec = TrainingSpec()
    measures: MeasureSpec = MeasureSpec()
    groups: Annotated[tuple[Group, ...], Field(min_length=1, strict=False)]

    @field_validator("tasks")
    @classmethod
    def _known_to_groups(cls, files: tuple[TaskFile, ...], info: ValidationInfo) -> tuple[TaskFile, ...]:
        """Groups are checked after this, in the same context."""
        if info.context is not None:
            info.context.update({own.name: own for file in files for own in file.tasks})
        return files

    def group(self, name: str) -> Group:
        """The group of that name."""
        by_name = {group.name: group for group in self.groups}
        if name not in by_name:
            raise LookupError(
                f"unknown group {name!r}{nearest(name, list(by_name))}; choose from: {', '.join(by_name)}"
            )
        return by_name[name]

    def task(self, name: str) -> Task:
        """The task of that name as this study has it; of a user's own only the lengths, unless it is loaded."""
        sizes = {"alphabet_size": self.alphabet_size, "grid_size": self.grid_size}
        own = (file.task(entry, **sizes) for file in self.tasks for entry in file.tasks if entry.name == name)
        return next(own, None) or TASKS[name](**sizes)

    def loaded(self) -> "Study":
        """This study, the files of its own tasks executed in this process: for commands that train or measure."""
        for file in self.tasks:
            file.load()
        return self

    def source_of(self, task: str) -> str | None:
        """The text of the file that a task of the user's own comes from; None for a task of the package."""
        return next((file.source for file in self.tasks for own in file.tasks if own.name == task), None)

    def model_of(self, group: Group) -> ModelSpec:
        """The model that a group trains."""
        return group.model or self.model

    def score_length(self, group: Group) -> int:
        """The length at which this group's heads are scored; within the training range of all its tasks."""
        return self.measures.score_length or min(entry.max_length for entry in group.tasks)

    def longest(self, task: str) -> int | None:
        """The greatest length at which a task is asked for; None where no group has it."""
        lengths = [self.eval_lengths(group, task)[-1] for group in self.groups if task in group.task_names]
        return max(lengths, default=None)

    def eval_lengths(self, group: Group, task: str) -> range:
        """The lengths of the task's accuracy curve: from its smallest to `beyond` past the longest trained on."""
        last = group.max_length + self.measures.beyond
        asked = self.task(task)
        return range(asked.min_length, (last if asked.max_length is None else min(last, asked.max_length)) + 1)


def parse_study(raw: dict[str, Any], source: str) -> Study:
    """A checked study from parsed TOML or JSON; raises `StudyError` with every problem of it."""
    raw, problems = unfolded(raw)
    filled = _with_shared(_with_shared(raw, "training", TrainingSpec, {}), "model", ModelSpec, None)
    problems += _problems_across(raw)
    try:
        study = Study.model_validate(filled, context={})
    except ValidationError as error:
        raise StudyError(source, explain(error, Study) + problems) from None
    problems += _problems_of_lengths(study)
    if problems:
        raise StudyError(source, problems)
    return study


def read_study(path: Path) -> Study:
    """The study of a TOML file; executes the files of tasks that it names, and checks them."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(str(path), ["no such file; give the path of a study file (TOML)"]) from None
    except IsADirectoryError:
        raise StudyError(str(path), ["this is a folder; give the path of a study file (TOML)"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(str(path), [f"not valid TOML: {error}"]) from None
    files, problems = read_files(raw.get("tasks", []), path.parent, raw)
    if problems:
        raise StudyError(str(path), problems)
    study = parse_study(raw | {"tasks": files}, str(path))
    if problems := check_files(
        study.tasks, study.longest, alphabet_size=study.alphabet_size, grid_size=study.grid_size
    ):
        raise StudyError(str(path), problems)
    return study


def _with_shared(raw: dict[str, Any], key: str, spec: type[BaseModel], absent: Any) -> dict[str, Any]:
    """Lay each group's own table of that name over the study's, so that a group states only what differs."""
    shared, groups = raw.get(key, {}), raw.get("groups")
    if not isinstance(shared, dict) or not isinstance(groups, list):
        return raw
    known = {name: value for name, value in shared.items() if name in spec.model_fields}
    laid = [
        group | {key: known | group.get(key, absent)}
        if isinstance(group, dict) and isinstance(group.get(key, absent), dict)
        else group
        for group in groups
    ]
    return raw | {"groups": laid}


def _problems_across(raw: dict[str, Any]) -> Iterator[str]:
    """What no single group can see; found even where other parts of the study are wrong."""
    groups = raw.get("groups")
    names = [group.get("name") for group in groups if isinstance(group, dict)] if isinstance(groups, list) else []
    for index, name in enumerate(names):
        if isinstance(name, str) and name in names[:index]:
            yield f"groups[{index}].name: {name!r} is taken by groups[{names.index(name)}]; try '{name}_{index + 1}'"


def _problems_of_lengths(study: Study) -> list[str]:
    length = study.measures.score_length
    limits = {name: study.task(name).max_length for group in study.groups for name in group.task_names}
    too_long = [
        f"groups {group.name!r}: {entry.task} has no length {entry.max_length} here; its longest is {limit}"
        for group in study.groups
        for entry in group.tasks
        if (limit := limits[entry.task]) is not None and entry.max_length > limit
    ]
    return too_long + [
        f"measures.score_length: {length} is outside the lengths that group {group.name!r} trains {entry.task} on; "
        f"nearest: {min(max(length, entry.min_length), entry.max_length)}"
        for group in study.groups
        for entry in group.tasks
        if length is not None and not entry.min_length <= length <= entry.max_length
    ]
