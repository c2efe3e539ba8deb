"""What a run folder holds of measurements: everything that the tables start from."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import pandas as pd

from headreuse.measurements.base import MEASUREMENTS, Measurement
from headreuse.records import Checkpoint
from headreuse.store.folder import RunFolder
from headreuse.store.notes import read_note
from headreuse.store.sealing import DamagedError
from headreuse.store.training_log import COLUMNS, Logbook, as_frame
from headreuse.store.units import Unit
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.runs import Run
from headreuse.work.progress import CheckpointProgress, RunProgress, progress

Result = TypeVar("Result")


@dataclass(frozen=True)
class MeasuredCheckpoint:
    """The finished measurements of one checkpoint of a run, read when they are asked for and then kept."""

    folder: RunFolder
    run: Run
    checkpoint: Checkpoint
    units: tuple[Unit, ...]

    @property
    def study(self) -> Study:
        """The study that was measured."""
        return self.folder.study

    @property
    def group(self) -> Group:
        """The group of its run."""
        return self.run.group

    @property
    def place(self) -> dict[str, object]:
        """The columns that say where a row comes from."""
        return {"group": self.group.name, "seed": self.run.label, "step": self.checkpoint.step}

    def units_of(self, kind: type[Measurement[Result]]) -> list[Unit]:
        """The finished measurements of one kind."""
        return [unit for unit in self.units if unit.kind == kind.kind]

    def results(self, kind: type[Measurement[Result]]) -> list[Result]:
        """Their results, in the same order."""
        measurement: Measurement[Result] = MEASUREMENTS[kind.kind]
        found = self._read.get(kind.kind)
        if found is None:
            found = [measurement.from_frame(self.folder.units.read(unit), unit) for unit in self.units_of(kind)]
            self._read[kind.kind] = found
        return found

    @cached_property
    def _read(self) -> dict[str, list]:
        return {}


@dataclass(frozen=True)
class Results:
    """All finished measurements of a run folder."""

    folder: RunFolder

    @property
    def study(self) -> Study:
        """The study that was measured."""
        return self.folder.study

    @cached_property
    def progress(self) -> tuple[RunProgress, ...]:
        """What is done of each run, in the study's order."""
        return progress(self.folder)

    @cached_property
    def key(self) -> str:
        """Changes with any measurement, log or setting that tables are made from; `make.py` adds their versions."""
        # Sorted, since the order of units is that in which kinds of measurement happened to be imported.
        places = [
            [entry.run.group.name, entry.run.label, at.checkpoint.step, *_in_order(at)]
            for entry in self.progress
            for at in entry.checkpoints
        ]
        logs = hashlib.sha256(self.training_log().to_csv().encode()).hexdigest()
        parts = json.dumps([places, logs, self.study.model_dump_json()])
        return hashlib.sha256(parts.encode()).hexdigest()

    def training_log(self) -> pd.DataFrame:
        """Columns group, seed and those of `LogLine`: accuracy during the training of each run, run by run.

        Logs that are damaged are left out; see `damaged_logs`.
        """
        logs = [log for log in self._logs if not isinstance(log, DamagedError) and len(log)]
        return pd.concat(logs or [as_frame([]).assign(group="", seed=0)], ignore_index=True)[
            ["group", "seed", *COLUMNS]
        ]

    def damaged_logs(self) -> list[DamagedError]:
        """What is wrong with the logs that are left out."""
        return [log for log in self._logs if isinstance(log, DamagedError)]

    @cached_property
    def _logs(self) -> list[pd.DataFrame | DamagedError]:
        return [self._log(entry) for entry in self.progress]

    def _log(self, entry: RunProgress) -> pd.DataFrame | DamagedError:
        """The log of one run, or what is wrong with it."""
        book = Logbook(self.folder.training_log_file(entry.run.group.name, entry.run.label))
        try:
            for last in entry.checkpoints[-1:]:
                note = read_note(last.checkpoint.path)
                # A series that was not trained here has no log here.
                if note is not None and last.checkpoint.path.parent == book.path.parent:
                    book.check(note.step, note.log)
            return book.read().assign(group=entry.run.group.name, seed=entry.run.label)
        except DamagedError as error:
            return error

    def checkpoints(self) -> Iterator[MeasuredCheckpoint]:
        """Every checkpoint with a finished measurement: group by group, run by run, step by step."""
        for entry in self.progress:
            for at in entry.checkpoints:
                if at.done:
                    yield MeasuredCheckpoint(self.folder, entry.run, at.checkpoint, at.done)


def _in_order(at: CheckpointProgress) -> list[str]:
    """Keys and checksums of a checkpoint's units, in an order that does not depend on how they were registered."""
    return [*sorted(unit.key for unit in at.done), *sorted(at.seals)]
