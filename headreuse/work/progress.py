"""How far a study has come: which checkpoints and measurements are there, which are missing."""

from collections.abc import Iterable
from dataclasses import dataclass

from headreuse.measurements.base import units_of
from headreuse.records import Checkpoint
from headreuse.sources import runs_of
from headreuse.store.folder import RunFolder
from headreuse.store.sealing import DamagedError
from headreuse.store.units import Unit
from headreuse.study.runs import Run


@dataclass(frozen=True)
class CheckpointProgress:
    """How far one checkpoint of a run has come."""

    checkpoint: Checkpoint
    done: tuple[Unit, ...]
    missing: tuple[Unit, ...]
    """Those that are damaged, too."""
    seals: tuple[str, ...] = ()
    """The checksum of each result in `done`."""
    damaged: tuple[DamagedError, ...] = ()
    """What is wrong with results that are there."""


@dataclass(frozen=True)
class RunProgress:
    """How far one run of a study has come."""

    run: Run
    checkpoints: tuple[CheckpointProgress, ...]
    """Those that are there."""
    missing_steps: tuple[int, ...]
    """Steps whose checkpoints are still to be made; they will add measurements of their own."""
    problems: tuple[str, ...] = ()
    """What is wrong with checkpoints that are left out, one line each."""

    @property
    def n_steps(self) -> int:
        """Checkpoints that the run will have."""
        return len(self.checkpoints) + len(self.missing_steps)

    @property
    def done(self) -> tuple[Unit, ...]:
        """Measurements of the checkpoints that are there."""
        return tuple(unit for entry in self.checkpoints for unit in entry.done)

    @property
    def missing(self) -> tuple[Unit, ...]:
        """Measurements that the checkpoints that are there lack."""
        return tuple(unit for entry in self.checkpoints for unit in entry.missing)

    @property
    def damaged(self) -> tuple[DamagedError, ...]:
        """What is wrong with measurements of the checkpoints that are there."""
        return tuple(error for entry in self.checkpoints for error in entry.damaged)


def progress(folder: RunFolder) -> tuple[RunProgress, ...]:
    """How far each run of a folder's study has come, in the study's order."""
    return tuple(run_progress(folder, run) for run in runs_of(folder))


def run_progress(folder: RunFolder, run: Run) -> RunProgress:
    """How far one run has come."""
    checkpoints, missing_steps = run.checkpoints, run.missing
    last = max((*(checkpoint.step for checkpoint in checkpoints), *missing_steps), default=None)
    found = []
    for checkpoint in checkpoints:
        units = list(units_of(folder.study, run.group, checkpoint, is_last=checkpoint.step == last))
        found.append(_checkpoint_progress(folder, checkpoint, units))
    return RunProgress(run, tuple(found), missing_steps, run.source.problems(run))


def _checkpoint_progress(folder: RunFolder, checkpoint: Checkpoint, units: list[Unit]) -> CheckpointProgress:
    seals: dict[Unit, str] = {}
    damaged = []
    for unit in units:
        try:
            if (seal := folder.units.seal(unit)) is not None:
                seals[unit] = seal
        except DamagedError as error:
            damaged.append(error)
    absent = tuple(unit for unit in units if unit not in seals)
    return CheckpointProgress(checkpoint, tuple(seals), absent, tuple(seals.values()), tuple(damaged))


def n_jobs(found: Iterable[RunProgress]) -> int:
    """Pieces of work that can be done side by side: runs that are trained here, and checkpoints that are given.

    Counted are those that are done, too, so that the number depends on the study alone.
    """
    trained, given = 0, set()
    for entry in found:
        if entry.run.source.cost_to_make(entry.run):
            trained += 1
        else:
            given |= {at.checkpoint.fingerprint for at in entry.checkpoints}
    return trained + len(given)


@dataclass(frozen=True)
class Missing:
    """What a study still needs before it is done."""

    n_runs: int
    n_checkpoints: int
    """Those that are there and lack measurements; those of runs still in training come on top."""
    n_units: int

    def __str__(self) -> str:
        parts = []
        if self.n_runs:
            parts.append(f"{n_of(self.n_runs, 'model')} to train")
        if self.n_units:
            at = n_of(self.n_checkpoints, "checkpoint")
            parts.append(f"{n_of(self.n_units, 'measurement')} to take at {at}")
        return ", ".join(parts) or "nothing to do"

    def __bool__(self) -> bool:
        return bool(self.n_runs or self.n_units)


def missing(found: Iterable[RunProgress], *, train: bool, measure: bool) -> Missing:
    """What is missing of these runs, counting only the stages asked for, and what two runs share only once."""
    found = list(found)
    n_runs = sum(bool(entry.missing_steps) for entry in found) if train else 0
    units = {unit.key: unit for entry in found for unit in entry.missing} if measure else {}
    return Missing(n_runs, len({unit.checkpoint.fingerprint for unit in units.values()}), len(units))


def n_of(n: int, noun: str) -> str:
    """`1 model`, `2 models`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
