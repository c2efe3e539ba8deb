"""Runs that this package trains: a run for each group and seed, its checkpoints in the run folder."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headreuse.errors import HeadreuseError
from headreuse.records import Checkpoint
from headreuse.store.fingerprints import sha256_of
from headreuse.store.folder import RunFolder
from headreuse.store.notes import NOTE, OTHER_SETTINGS, again, read_note
from headreuse.store.sealing import DamagedError
from headreuse.store.writing import alone_in
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.runs import Label, OnProgress, Run, Source, silent
from headreuse.study.settings_digest import training_digest
from headreuse.training.torchrun import is_writer


@dataclass(frozen=True)
class Trained(Source):
    """Checkpoints at the steps of a group's schedule, trained where they are missing."""

    root: Path
    """The run folder."""
    study: Study | None = None
    """That of the run folder, whose settings a checkpoint must have been trained with; None to take any."""

    def labels(self, study: Study, group: Group) -> tuple[Label, ...]:
        """The study's seeds."""
        return study.seeds

    def checkpoints(self, run: Run) -> tuple[Checkpoint, ...]:
        """Those of the schedule that training has completed."""
        found = (self._noted(run, step) for step in self._steps(run))
        return tuple(checkpoint for checkpoint in found if isinstance(checkpoint, Checkpoint))

    def problems(self, run: Run) -> tuple[str, ...]:
        """Notes that are damaged or belong to another checkpoint."""
        found = (self._noted(run, step) for step in self._steps(run))
        return tuple(str(error) for error in found if isinstance(error, DamagedError))

    def missing(self, run: Run) -> tuple[int, ...]:
        """The steps of the schedule that training has not completed."""
        there = {checkpoint.step for checkpoint in run.checkpoints}
        return tuple(step for step in self._steps(run) if step not in there)

    def make(self, study: Study, run: Run, on_progress: OnProgress) -> None:
        """Train from the last checkpoint on; waits a moment for another process that trains this run, then gives up."""
        # Loads torch, which only a worker needs.
        from headreuse.training.joint import train

        series, n_steps = self._series(run), run.group.training.steps

        def on_step(step: int, loss: float) -> None:
            on_progress(step / n_steps, f"loss {loss:.3f}")

        assert isinstance(run.label, int), "trained runs are labelled by their seeds"
        with alone_in(series) if is_writer() else nullcontext():
            train(study.loaded(), run.group, run.label, series, on_step=on_step)
        if is_writer() and run.missing:
            steps = ", ".join(map(str, run.missing))
            raise HeadreuseError(
                f"{series}: trained to its end, but step {steps} is gone; delete the folder to train again"
            )

    @contextmanager
    def ready(self, run: Run, checkpoint: Checkpoint, on_progress: OnProgress = silent) -> Iterator[Checkpoint]:
        """The checkpoint, if its files are those that training wrote; they are read once on a machine."""
        # Loads torch, which only a worker needs.
        from headreuse.models.checkpoints import verify_same

        remembered = RunFolder(self.root).checkpoint_files
        verify_same(checkpoint, sha256=lambda file: remembered.get(file, sha256_of))
        yield checkpoint

    @property
    def loading(self) -> Mapping[str, Any]:
        """Measurements open the head masks of a group themselves."""
        return {"masks_are_known": True}

    def cost_to_make(self, run: Run) -> float:
        """Every token of every step passes through the model once forward and once, at twice the cost, backward."""
        spec, tasks = run.group.training, run.group.tasks
        mean_length = sum(entry.min_length + entry.max_length for entry in tasks) / len(tasks)
        return 3.0 * spec.steps * spec.batch_size * (mean_length + 4)

    def _steps(self, run: Run) -> tuple[int, ...]:
        """Of the checkpoints that the run is to have."""
        return scheduled(run.group)

    def _noted(self, run: Run, step: int) -> Checkpoint | DamagedError | None:
        """The checkpoint of a step as its note has it, or what is wrong with the note."""
        folder = self._series(run) / f"checkpoint-{step}"
        try:
            note = read_note(folder)
        except DamagedError as error:
            return error
        if note is None:
            return None
        if (note.group, note.label, note.step) != (run.group.name, run.label, step):
            whose = f"it is the note of {note.group} {note.label} step {note.step}"
            return DamagedError(folder / NOTE, whose, again(folder))
        if self.study and note.settings not in ("", training_digest(self.study, run.group)):
            return DamagedError(folder / NOTE, OTHER_SETTINGS, again(folder))
        return Checkpoint(folder, step, note.fingerprint)

    def _series(self, run: Run) -> Path:
        return RunFolder(self.root).series_folder(run.group.name, run.label)


def scheduled(group: Group) -> tuple[int, ...]:
    """The steps at which checkpoints of a group are kept."""
    return group.training.checkpoints.steps(group.training.steps)
