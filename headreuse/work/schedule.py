"""The missing work of a study as jobs, handed to workers and followed to their end."""

import contextlib
from collections.abc import Iterator, Sequence

from headreuse.errors import HeadreuseError
from headreuse.store.folder import RunFolder
from headreuse.training.torchrun import is_writer
from headreuse.work.engines import Engine, Event, Job
from headreuse.work.jobs import MeasureJob, TrainJob
from headreuse.work.states import Progress, Shard, TrainingRun, complete_checkpoints, measuring_cost, units_of
from headreuse.work.ticker import Ticker


def work(
    folder: RunFolder, found: Sequence[Progress], engine: Engine, *, shard: Shard, train: bool, measure: bool
) -> list[str]:
    """Train and measure what is missing; one line for each piece that failed."""
    trainings = [TrainJob(folder, entry.run) for entry in found if train and entry.missing_steps]
    trainings = [job for job in trainings if shard.holds(str(job))]
    begun = [job for entry in found if measure for job in _measurements(folder, entry.run)]
    begun = [job for job in begun if shard.holds(str(job))]
    asked = {str(job) for job in begun}

    def followers(job: Job) -> list[Job]:
        if not (measure and isinstance(job, TrainJob)):
            return []
        return [later for later in _measurements(folder, job.run_of) if str(later) not in asked]

    jobs: list[Job] = [*trainings, *begun]
    to_follow = sum(_cost_of_followers(folder, job.run_of) for job in trainings if measure)
    with Ticker(sum(job.cost for job in jobs) + to_follow) as ticker:

        def listen(event: Event) -> None:
            ticker(event)
            _keep_note_of_failure(folder, event)

        engine(jobs, listen, followers)
    return ticker.problems


def train_together(folder: RunFolder, found: Sequence[Progress], *, shard: Shard) -> None:
    """Train what is missing, in one of several processes that torchrun started; a failure in any ends them all."""
    trainings = [TrainJob(folder, entry.run) for entry in found if entry.missing_steps]
    trainings = [job for job in trainings if shard.holds(str(job))]
    if not is_writer():
        for job in trainings:
            job.run(lambda _fraction, _note: None)
        return
    with Ticker(sum(job.cost for job in trainings)) as ticker:
        for job in trainings:
            job.run(lambda fraction, note, job=job: ticker(Event(job, fraction, note)))  # type: ignore[misc]
            ticker(Event(job, 1.0, "", finished=True))


def _cost_of_followers(folder: RunFolder, run: TrainingRun) -> float:
    """Of measuring the checkpoints that a run's training will add."""
    n_to_come = len(run.steps) - len(complete_checkpoints(folder, run))
    return n_to_come * measuring_cost(folder.study(), run)


def _measurements(folder: RunFolder, run: TrainingRun) -> Iterator[MeasureJob]:
    """A job for each complete checkpoint of a run that lacks measurements."""
    study = folder.study()
    for checkpoint in complete_checkpoints(folder, run):
        units = units_of(study, run.group, checkpoint)
        if lacking := tuple(unit for unit in units if not folder.unit_file(unit).exists()):
            yield MeasureJob(folder, run, checkpoint, lacking)


def _keep_note_of_failure(folder: RunFolder, event: Event) -> None:
    assert isinstance(event.job, TrainJob | MeasureJob)
    if event.problems:
        # On a full disk the note cannot be kept either; the line that was printed has said it.
        with contextlib.suppress(HeadreuseError):
            folder.write_error(event.job.key, str(event.job), "; ".join(event.problems))
    elif event.finished:
        folder.clear_error(event.job.key)
