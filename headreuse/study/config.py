"""A study as frozen models: its groups of tasks, the seeds, what is trained and what is measured."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from headreuse.errors import nearest
from headreuse.prompts.form import TextForm
from headreuse.study import limits
from headreuse.study.frozen import Frozen, Name, check_unique
from headreuse.study.group import Group
from headreuse.study.measure_spec import MeasureSpec, is_of_patterns, outcome_of
from headreuse.study.measured import MeasuredTransfer
from headreuse.study.model_spec import POSITIONS_TIMES, ModelSpec
from headreuse.study.own_tasks import TaskFile
from headreuse.study.primary import DEFAULT_METHOD, DEFAULT_OVERLAP, Primary
from headreuse.study.prompt_files import FixedPrompts, PromptFile, file_named
from headreuse.study.training_spec import TrainingSpec
from headreuse.study.transfer_rows import KEY as TRANSFER
from headreuse.study.transfer_rows import OF_ACCURACY
from headreuse.tasks import TASKS, Task


class Study(Frozen):
    """A whole study: what is trained, how, and what is measured."""

    name: Name
    """Of the study, and of its run folder where the command names none."""
    tasks: Annotated[tuple[TaskFile, ...], Field(strict=False)] = ()
    """Files of tasks of the user's own; given in a study file by their paths from there."""
    prompts: Annotated[tuple[PromptFile, ...], Field(strict=False)] = ()
    """Files of prompts; given in a study file where a group names its tasks, by their paths from there."""
    transfer: MeasuredTransfer | None = None
    """Transfer that was measured elsewhere; a CSV file, given in a study file by its path from there."""
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, le=limits.SEED)], ...],
        Field(min_length=1, max_length=limits.SEEDS, strict=False),
    ] = (0,)
    """Each gives initial weights of its own: one model for each group and seed."""
    alphabet_size: Annotated[int, Field(ge=2, le=26)] = 26
    """Letters of the string tasks."""
    grid_size: Annotated[int, Field(ge=2, le=16)] = 8
    """Nodes on a side of the mazes' grid."""
    data_seed: Annotated[int, Field(ge=0, le=limits.DATA_SEED)] = 0
    """Draws the training stream and the evaluation prompts; the same for every seed, so that seeds differ in
    initialisation alone."""
    model: ModelSpec = ModelSpec()
    """What is trained."""
    training: TrainingSpec = TrainingSpec()
    """How it is trained."""
    measures: MeasureSpec = MeasureSpec()
    """What is measured of every checkpoint, and how."""
    groups: Annotated[tuple[Group, ...], Field(min_length=1, strict=False)]
    """A main task with its auxiliaries each."""
    primary: Primary = Primary()
    """The question that is tested, fixed before the run; all else is exploratory."""

    @field_validator("seeds")
    @classmethod
    def _differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        check_unique(seeds)
        return seeds

    @field_validator("tasks")
    @classmethod
    def _known_to_groups(cls, files: tuple[TaskFile, ...], info: ValidationInfo) -> tuple[TaskFile, ...]:
        """Groups are checked after this, in the same context."""
        if info.context is not None:
            info.context.update({entry.name: entry for file in files for entry in file.tasks})
        return files

    @field_validator("prompts")
    @classmethod
    def _known_as_tasks(cls, files: tuple[PromptFile, ...], info: ValidationInfo) -> tuple[PromptFile, ...]:
        if info.context is not None:
            info.context.update({file.name: file for file in files})
        return files

    @property
    def question(self) -> Primary:
        """The primary question with everything that it leaves open; its transfer is None where nothing can be one."""
        asked, metrics = self.primary, self.measures.overlap_metrics
        overlap = asked.overlap or (DEFAULT_OVERLAP if DEFAULT_OVERLAP in metrics else metrics[0])
        transfer = asked.transfer or next(iter(self.transfer_measures), None)
        filled: dict[str, Any] = {"overlap": overlap, "transfer": transfer}
        if not is_of_patterns(overlap):
            filled |= {"method": self.headline_method, "outcome": asked.outcome or outcome_of(self.headline_method)}
        return asked.model_copy(update=filled)

    @property
    def headline_method(self) -> str:
        """The score that head maps are shown by first, and that the question is asked of where it names none."""
        methods = self.measures.methods
        return self.primary.method or (DEFAULT_METHOD if DEFAULT_METHOD in methods else methods[0])

    @property
    def transfer_measures(self) -> tuple[str, ...]:
        """What overlap is compared with: first `transfer` where it was measured elsewhere, then what lengths tell."""
        given = self.transfer.measures if self.transfer else ()
        of_lengths = OF_ACCURACY if any(group.has_lengths for group in self.groups) else ()
        return (*sorted(given, key=lambda name: name != TRANSFER), *of_lengths)

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
        if file := self.prompt_file(name):
            return FixedPrompts(file)
        sizes = {"alphabet_size": self.alphabet_size, "grid_size": self.grid_size}
        from_files = (file.task(entry, **sizes) for file in self.tasks for entry in file.tasks if entry.name == name)
        return next(from_files, None) or TASKS[name](**sizes)

    def loaded(self) -> "Study":
        """This study, the files of its own tasks executed in this process: for commands that train or measure."""
        for file in self.tasks:
            file.load()
        return self

    def task_settings(self, name: str) -> dict[str, Any]:
        """All that a task's examples depend on, except their length: part of the key of each of its measurements."""
        form = self.form(name)
        around = {} if form == TextForm() else {"form": asdict(form)}
        if file := self.prompt_file(name):
            return {"prompts": file.digest, **around}
        settings: dict[str, Any] = {
            field: getattr(self, field) for field in ("alphabet_size", "grid_size", "data_seed")
        }
        text = self.task_file(name)
        if text is not None:
            settings["file"] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return settings | around

    def prompt_file(self, name: str) -> PromptFile | None:
        """The file of prompts that has this name as a task; None for a task."""
        return file_named(self.prompts, name)

    def form(self, name: str) -> TextForm:
        """How examples of a task are put to models that were trained on text."""
        return next((entry.form for group in self.groups for entry in group.tasks if entry.task == name), TextForm())

    def task_file(self, name: str) -> str | None:
        """The text of the file that a task of the user's own comes from; None for a task of the package."""
        return next((file.source for file in self.tasks for entry in file.tasks if entry.name == name), None)

    def model_of(self, group: Group) -> ModelSpec:
        """The model that a group trains."""
        return group.model or self.model

    def positions_to(self, group: Group) -> int:
        """Up to which length a model of the group has positions, where it learns them."""
        default = min(POSITIONS_TIMES * group.transfer_to, limits.LENGTH)
        return self.model_of(group).positions_to or default

    def score_length(self, group: Group) -> int:
        """The length at which this group's heads are scored; within the training range of all its tasks.

        0 for files of prompts of which all together are scored.
        """
        if self.measures.score_length is None and self.is_of_files(group):
            return 0
        return self.measures.score_length or min(entry.max_length for entry in group.tasks)

    def is_of_files(self, group: Group) -> bool:
        """Whether all tasks of a group are files of prompts."""
        return all(self.prompt_file(name) for name in group.task_names)

    def longest(self, task: str) -> int | None:
        """The greatest length at which a task is asked for; None where no group has it."""
        lengths = [self.eval_lengths(group, task)[-1] for group in self.groups if task in group.task_names]
        return max(lengths, default=None)

    def evaluated_to(self, group: Group) -> int:
        """Where the accuracy curves of a group end."""
        return group.evaluate_to or group.transfer_to + self.measures.beyond

    def eval_lengths(self, group: Group, task: str) -> Sequence[int]:
        """The lengths of the task's accuracy curve: from its smallest to `evaluated_to`, as far as it has examples.

        All of them, or those that `measures.length_step` leaves. Of a file of prompts all that it has; 0 where it gives
        none.
        """
        if file := self.prompt_file(task):
            return file.lengths
        last, asked = self.evaluated_to(group), self.task(task)
        every = range(asked.min_length, (last if asked.max_length is None else min(last, asked.max_length)) + 1)
        kept = {every[-1], group.transfer_to, *(entry.max_length for entry in group.tasks)}
        return [length for length in every if length % self.measures.length_step == 0 or length in kept]
