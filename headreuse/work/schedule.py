"""The missing work of a study as jobs, handed to workers and followed to their end."""

import contextlib
from collections.abc import Sequence

from headreuse.errors import HeadreuseError
from headreuse.measurements.base import measuring_cost
from headreuse.store.folder import RunFolder
from headreuse.store.units import Unit
from headreuse.training.torchrun import is_writer
from headreuse.work.events import Ended, Engine, Event, Job
from headreuse.work.jobs import MeasureJob, TrainJob
from headreuse.work.progress import RunProgress, run_progress
from headreuse.work.retries import Retries
from headreuse.work.shards import Shard
from headreuse.work.ticker import Ticker


def work(
    folder: RunFolder, found: Sequence[RunProgress], engine: Engine, *, shard: Shard, train: bool, measure: bool
) -> list[str]:
    """Train and measure what is missing; one line for each piece that failed."""
    trainings = training_jobs(folder, found, shard) if train else []
    planned = Measurements(folder)
    measurements = planned.jobs(found) if measure else []
    jobs: list[Job] = [*trainings, *(job for job in measurements if shard.holds(_name_for_shards(job, train)))]
    to_follow = sum(_cost_of_followers(folder, entry) for entry in found) if train and measure else 0.0
    retries = Retries()

    def listen(event: Event) -> Sequence[Job]:
        """Training adds checkpoints, which are measured right after it."""
        settled = retries.settle(event)
        event = settled.event
        ticker(event)
        if settled.line:
            ticker.line(settled.line)
        if event.ended is Ended.DONE:
            keep_note_of_failure(folder, event)
            if measure and isinstance(event.job, TrainJob):
                return planned.jobs([run_progress(folder, event.job.belongs_to)])
        return settled.instead

    with Ticker(sum(job.cost for job in jobs) + to_follow) as ticker:
        if not jobs:
            ticker.line(f"part {shard}: all that is missing is in the other parts")
        engine(jobs, listen)
    return ticker.problems


def train_together(folder: RunFolder, found: Sequence[RunProgress], *, shard: Shard) -> None:
    """Train what is missing, in one of several processes that torchrun started; a failure in any ends them all."""
    trainings = training_jobs(folder, found, shard)
    if not is_writer():
        for job in trainings:
            job.run(lambda _fraction, _note: None)
        return
    with Ticker(sum(job.cost for job in trainings)) as ticker:
        for job in trainings:
            job.run(lambda fraction, note, job=job: ticker(Event(job, fraction, note)))  # type: ignore[misc]
            ticker(Event(job, 1.0, "", Ended.DONE))


def training_jobs(folder: RunFolder, found: Sequence[RunProgress], shard: Shard) -> list[TrainJob]:
    """A job for each run that is missing checkpoints; the longest come first, so that workers finish together."""
    jobs = [TrainJob(folder, entry.run) for entry in found if entry.missing_steps]
    return sorted((job for job in jobs if shard.holds(str(job))), key=lambda job: job.cost, reverse=True)


class Measurements:
    """Plans each missing measurement once, also where several runs have the same model."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.planned: set[str] = set()
        """Keys of the units that jobs have been made for."""

    def jobs(self, found: Sequence[RunProgress]) -> list[MeasureJob]:
        """A job for each model that lacks measurements which no job has been made for yet."""
        by_model: dict[str, MeasureJob] = {}
        for entry in found:
            for at in entry.checkpoints:
                units = self._new(at.missing)
                first = by_model.get(at.checkpoint.fingerprint)
                if first is not None:
                    units = (*first.units, *units)
                if units:
                    run, checkpoint = (first.belongs_to, first.checkpoint) if first else (entry.run, at.checkpoint)
                    by_model[checkpoint.fingerprint] = MeasureJob(self.folder, run, checkpoint, units)
        return list(by_model.values())

    def _new(self, units: Sequence[Unit]) -> tuple[Unit, ...]:
        new = tuple(unit for unit in units if unit.key not in self.planned)
        self.planned.update(unit.key for unit in new)
        return new


def _name_for_shards(job: MeasureJob, train: bool) -> str:
    """What decides which shard measures a checkpoint: the shard that trains its run, where one does."""
    # So all is measured when all shards have ended, whichever of them was the last to train.
    is_made = train and job.belongs_to.source.cost_to_make(job.belongs_to)
    return str(TrainJob(job.folder, job.belongs_to)) if is_made else job.checkpoint.fingerprint


def _cost_of_followers(folder: RunFolder, entry: RunProgress) -> float:
    """Of measuring the checkpoints that a run's training will add."""
    return len(entry.missing_steps) * measuring_cost(folder.study, entry.run.group)


def keep_note_of_failure(folder: RunFolder, event: Event) -> None:
    """Note in the run folder why a job failed, or that what failed has been done since."""
    assert isinstance(event.job, TrainJob | MeasureJob)
    if not folder.study_file.exists():
        # The folder was deleted, and a note would make it anew.
        return
    if event.problems:
        # On a full disk the note cannot be kept either; the line that was printed has said it.
        with contextlib.suppress(HeadreuseError):
            folder.write_error(event.job.key, str(event.job), "; ".join(event.problems))
    else:
        folder.clear_error(event.job.key)
