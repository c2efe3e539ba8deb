"""What a run folder holds of measurements, as records: everything that the analysis starts from."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from headreuse import __version__
from headreuse.measurements.frames import (
    frame_to_evaluations,
    frame_to_head_scores,
    frame_to_pattern,
    frame_to_set_losses,
)
from headreuse.overlap.functional import SetAblations
from headreuse.records import Checkpoint, Evaluation, HeadScores, MeanPattern
from headreuse.store.folder import RunFolder, Unit
from headreuse.store.training_log import COLUMNS, Logbook
from headreuse.study.config import Group, Study
from headreuse.work.states import Progress, progress


@dataclass(frozen=True)
class MeasuredCheckpoint:
    """The finished measurements of one checkpoint, read when they are asked for."""

    folder: RunFolder
    group: Group
    checkpoint: Checkpoint
    units: tuple[Unit, ...]

    @property
    def place(self) -> dict[str, object]:
        """The columns that say where a row comes from."""
        return {"group": self.group.name, "seed": self.checkpoint.seed, "step": self.checkpoint.step}

    def evaluations(self) -> Iterator[Evaluation]:
        """Outcomes by task and length."""
        for unit in self._of("evaluation"):
            yield from frame_to_evaluations(self.folder.read_unit(unit), unit.task)

    def head_scores(self) -> list[HeadScores]:
        """One record for each task and method."""
        return [
            frame_to_head_scores(
                self.folder.read_unit(unit),
                task=unit.task,
                length=unit.settings["length"],
                method=unit.settings["method"],
            )
            for unit in self._of("head_scores")
        ]

    def set_ablations(self) -> Iterator[SetAblations]:
        """What each task loses without the top heads of each."""
        for unit in self._of("set_ablation"):
            losses = frame_to_set_losses(self.folder.read_unit(unit))
            for source, by_outcome in losses.items():
                for outcome, loss in by_outcome.items():
                    own = losses[unit.task][outcome][0]
                    yield SetAblations(source, unit.task, outcome, unit.settings["top_k"], loss[0], own, loss[1:])

    def patterns(self) -> list[MeanPattern]:
        """The mean pattern of each task whose prompts line up."""
        found = (
            frame_to_pattern(self.folder.read_unit(unit), task=unit.task, length=unit.settings["length"])
            for unit in self._of("pattern")
        )
        return [pattern for pattern in found if pattern is not None]

    def _of(self, kind: str) -> list[Unit]:
        return [unit for unit in self.units if unit.kind == kind]


@dataclass(frozen=True)
class Measured:
    """All finished measurements of a run folder."""

    folder: RunFolder

    @cached_property
    def study(self) -> Study:
        """The study that was measured."""
        return self.folder.study()

    @cached_property
    def progress(self) -> tuple[Progress, ...]:
        """What is done of each run."""
        return progress(self.study, self.folder)

    @cached_property
    def key(self) -> str:
        """Changes when anything does that the tables are made from."""
        done = sorted(unit.key for entry in self.progress for unit in entry.done)
        logged = hashlib.sha256(self.training_log().to_csv().encode()).hexdigest()
        told = json.dumps([done, logged, self.study.model_dump_json(), __version__])
        return hashlib.sha256(told.encode()).hexdigest()

    def training_log(self) -> pd.DataFrame:
        """Columns group, seed and those of `LogLine`: accuracy during each run, in the study's order."""
        logs = [
            Logbook(self.folder.training_log_file(group.name, seed)).read().assign(group=group.name, seed=seed)
            for group in self.study.groups
            for seed in self.study.seeds
        ]
        return pd.concat(logs, ignore_index=True)[["group", "seed", *COLUMNS]]

    def checkpoints(self) -> Iterator[MeasuredCheckpoint]:
        """Every checkpoint with a finished measurement: group by group, seed by seed, step by step."""
        order = {group.name: index for index, group in enumerate(self.study.groups)}
        for entry in sorted(self.progress, key=lambda entry: (order[entry.run.group.name], entry.run.seed)):
            for checkpoint in entry.checkpoints:
                if units := tuple(unit for unit in entry.done if unit.checkpoint == checkpoint):
                    yield MeasuredCheckpoint(self.folder, entry.run.group, checkpoint, units)
