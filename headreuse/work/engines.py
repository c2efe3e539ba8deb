"""The engines that run jobs: in this process, in several processes, or on Ray."""

from collections import deque
from collections.abc import Iterable
from functools import partial

from headreuse.errors import UnknownNameError, nearest
from headreuse.work.events import Ended, Engine, Event, Job, Listener, attempt
from headreuse.work.machine import side_by_side, usable_gpus
from headreuse.work.on_ray import run_on_ray
from headreuse.work.processes import run_in_processes

ENGINES = ("processes", "ray")


def choose_engine(name: str, *, n_workers: int | None, n_jobs: int) -> Engine:
    """The engine of that name, with as many workers and threads as `side_by_side` gives; 0 workers for this process.

    Several GPUs are given to the workers in turn.
    """
    if name not in ENGINES:
        raise UnknownNameError(
            f"unknown engine {name!r}{nearest(name, list(ENGINES))}; choose from: {', '.join(ENGINES)}"
        )
    n_workers, n_threads = side_by_side(n_workers, n_jobs=n_jobs)
    if name == "ray":
        return partial(run_on_ray, n_workers=max(1, n_workers), n_threads=n_threads)
    if n_workers == 0:
        return run_here
    return partial(run_in_processes, n_workers=n_workers, n_threads=n_threads, gpus=usable_gpus())


def run_here(jobs: Iterable[Job], listener: Listener) -> None:
    """Run one job after the other in this process."""
    queue = deque(jobs)
    while queue:
        job = queue.popleft()
        ended, problems = attempt(job, partial(_tell, listener, job))
        following = list(listener(Event(job, 1.0, "", ended, problems)))
        if ended is Ended.DONE:
            queue.extendleft(reversed(following))
        else:
            queue.extend(following)


def _tell(listener: Listener, job: Job, fraction: float, note: str) -> None:
    listener(Event(job, fraction, note))
