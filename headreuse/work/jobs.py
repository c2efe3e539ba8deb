"""What a worker does: make the checkpoints of one run, or take the missing measurements of one checkpoint.

A job is small and knows nothing of torch; what it needs is imported where it is run, which is in a worker.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from headreuse.errors import HeadreuseError
from headreuse.measurements.base import MEASUREMENTS, measuring_cost
from headreuse.records import Checkpoint
from headreuse.store.diary import Diary
from headreuse.store.folder import RunFolder
from headreuse.store.units import Unit
from headreuse.store.writing import alone_in, draft_of, this_process
from headreuse.study.runs import OnProgress, Run
from headreuse.work.retries import TRIES

if TYPE_CHECKING:
    from headreuse.measurements.loaded import Loaded

SECONDS_BETWEEN_TRIES = 0.5
PATIENCE = 20.0
"""Seconds that a job waits for another process before other jobs are done first."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class TrainJob:
    """Make the checkpoints that a run is missing."""

    folder: RunFolder
    belongs_to: Run
    alone: bool = False
    failed: tuple[str, ...] = ()
    """Why training is not tried again."""

    @property
    def cost(self) -> float:
        """In tokens through the model."""
        return self.belongs_to.source.cost_to_make(self.belongs_to)

    @property
    def key(self) -> str:
        """Names the note of its failure."""
        return f"train-{_file_name(self.belongs_to)}"

    @property
    def is_over(self) -> bool:
        """Whether it is given up."""
        return bool(self.failed)

    def __str__(self) -> str:
        return f"training {self.belongs_to}"

    def run(self, on_progress: OnProgress) -> list[str]:
        """Train to the end."""
        self.belongs_to.source.make(self.folder.study, self.belongs_to, while_there(self.folder, on_progress))
        return []

    def at_death(self) -> str:
        """The last checkpoint that is there: training that gets further is not given up."""
        return f"step {max((checkpoint.step for checkpoint in self.belongs_to.checkpoints), default=0)}"

    def again(self, *, alone: bool, given_up: str | None) -> "TrainJob":
        """Training goes on from the last checkpoint, unless it is given up."""
        return replace(self, alone=alone, failed=(given_up,) if given_up else ())

    def waiting(self) -> "TrainJob":
        """The same: training waits a moment by itself."""
        return self


@dataclass(frozen=True)
class MeasureJob:
    """Take measurements of one checkpoint, sharing the loaded model between them."""

    folder: RunFolder
    belongs_to: Run
    """The first run that has this checkpoint."""
    checkpoint: Checkpoint
    units: tuple[Unit, ...]
    alone: bool = False
    failed: tuple[str, ...] = ()
    """A line for each unit that failed before an earlier worker died."""
    patience: float = 0.0
    """Seconds to wait for another process that measures this checkpoint."""
    planned_by: str = field(default_factory=this_process)

    @property
    def cost(self) -> float:
        """In tokens through the model."""
        return measuring_cost(self.folder.study, self.belongs_to.group)

    @property
    def key(self) -> str:
        """Names the note of its failure."""
        return f"measure-{_file_name(self.belongs_to)}-step-{self.checkpoint.step}"

    @property
    def diary(self) -> Diary:
        """What its worker notes on the way."""
        return Diary(draft_of(self.folder.units.folder_of(self.checkpoint) / "diary", self.planned_by))

    @property
    def is_over(self) -> bool:
        """Whether every unit is given up."""
        return not self.units

    def __str__(self) -> str:
        return f"measuring {self.belongs_to} step {self.checkpoint.step}"

    def run(self, on_progress: OnProgress) -> list[str]:
        """Keep each unit as soon as it is measured; one that fails leaves the others alone."""
        with alone_in(self.folder.units.folder_of(self.checkpoint), self.patience):
            # Another process may have measured some, before this one had its turn.
            units = [unit for unit in self.units if not self.folder.units.file(unit).is_file()]
            problems = list(self._measured(units, while_there(self.folder, on_progress))) if units else []
            self.diary.end()
        return [*self.failed, *problems]

    def at_death(self) -> str:
        """The unit that the worker was at; empty where it was loading the model."""
        under_way = self.diary.read().under_way
        return next((str(unit) for unit in self.units if unit.key == under_way), "")

    def again(self, *, alone: bool, given_up: str | None) -> "MeasureJob":
        """The units that are neither measured nor have failed; all are given up where the model cannot be loaded."""
        told = self.diary.read()
        self.diary.end()
        over = set(told.failed)
        if given_up:
            over |= {told.under_way} if told.under_way else {unit.key for unit in self.units}
        left = tuple(unit for unit in self.units if unit.key not in over)
        failed = (*self.failed, *told.failed.values(), *([given_up] if given_up else []))
        return replace(self, units=left, failed=failed, alone=alone, patience=PATIENCE)

    def waiting(self) -> "MeasureJob":
        """The same, with patience."""
        return replace(self, patience=PATIENCE)

    def _measured(self, units: list[Unit], on_progress: OnProgress) -> Iterator[str]:
        """Take each measurement; a line for each that failed."""
        # Loads torch, which only a worker needs.
        from headreuse.measurements.loaded import Loaded

        source = self.belongs_to.source
        with source.ready(self.belongs_to, self.checkpoint, on_progress) as checkpoint:
            loaded = Loaded(self.folder.units, self.folder.study, source, checkpoint)
            for index, unit in enumerate(units):
                on_progress(index / len(units), str(unit))
                self.diary.begin(unit.key)
                try:
                    _tried(lambda unit=unit: self._measure(loaded, unit))  # type: ignore[misc]
                except Exception as error:
                    problem = f"{unit} at {self.belongs_to} step {self.checkpoint.step}: {_reason(error)}"
                    self.diary.fail(unit.key, problem)
                    yield problem

    def _measure(self, loaded: "Loaded", unit: Unit) -> None:
        measurement = MEASUREMENTS[unit.kind]
        with loaded.masked_for(unit):
            result = measurement.measure(loaded, unit)
        self.folder.units.write(unit, measurement.to_frame(result))


def while_there(folder: RunFolder, on_progress: OnProgress) -> OnProgress:
    """The same, but it raises where the folder has been deleted: writing would make an empty one in its place."""

    def told(fraction: float, words: str) -> None:
        if not folder.study_file.exists():
            raise HeadreuseError(f"{folder.root}: deleted while it was worked in; run the study file again")
        on_progress(fraction, words)

    return told


def _tried(action: Callable[[], Result]) -> Result:
    """The result of an action, tried up to `TRIES` times; what the user can mend is raised at once."""
    for n in range(1, TRIES):
        try:
            return action()
        except HeadreuseError:
            raise
        except Exception:
            time.sleep(n * SECONDS_BETWEEN_TRIES)
    return action()


def _reason(error: Exception) -> str:
    if isinstance(error, HeadreuseError):
        return str(error)
    return f"failed {TRIES} times: {type(error).__name__}: {error}"


def _file_name(run: Run) -> str:
    label = f"seed-{run.label}" if isinstance(run.label, int) else run.label
    return f"{run.group.name}-{label}"
