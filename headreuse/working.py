"""The missing work of a study as jobs, handed to workers and followed to their end."""

import contextlib
from collections.abc import Iterator, Sequence

from headreuse.engines import Event, Job, run_here, run_in_processes, usable_cores
from headreuse.jobs import MeasureJob, TrainJob
from headreuse.problems import HeadreuseError
from headreuse.progress import Ticker
from headreuse.store import RunFolder
from headreuse.study import Progress, Shard, TrainingRun, complete_checkpoints, measuring_cost, units_of


def work(
    folder: RunFolder, found: Sequence[Progress], *, n_workers: int | None, shard: Shard, train: bool, measure: bool
) -> list[str]:
    """Train and measure what is missing; one line for each piece that failed.

    Threads for each worker follow from the study and the machine alone, not from what is left to do, since another
    number of threads rounds sums differently: a run that was killed ends as one that was not.
    """
    cores = usable_cores()
    side_by_side = min(cores, len(found)) if n_workers is None else n_workers
    jobs: list[Job] = []
    total = 0.0
    for entry in found:
        if train and entry.missing_steps and shard.holds(str(entry.run)):
            jobs.append(TrainJob(folder, entry.run))
            total += jobs[-1].cost + measure * len(entry.missing_steps) * measuring_cost(folder.study(), entry.run)
    begun = [job for entry in found if measure for job in _measurements(folder, entry.run)]
    jobs += [job for job in begun if shard.holds(str(job))]
    total += sum(job.cost for job in jobs if isinstance(job, MeasureJob))
    asked = {str(job) for job in jobs}

    def followers(job: Job) -> list[Job]:
        if not (measure and isinstance(job, TrainJob)):
            return []
        return [later for later in _measurements(folder, job.run_of) if str(later) not in asked]

    with Ticker(total) as ticker:

        def listen(event: Event) -> None:
            ticker(event)
            _keep_note_of_failure(folder, event)

        if side_by_side == 0:
            run_here(jobs, listen, followers)
        else:
            n_threads = max(1, cores // side_by_side)
            run_in_processes(jobs, listen, followers, n_workers=side_by_side, n_threads=n_threads)
    return ticker.problems


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
