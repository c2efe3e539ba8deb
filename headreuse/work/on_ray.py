"""Run jobs on a Ray cluster (extra `ray`), which may be several machines that share a disk."""

import logging
import os
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from headreuse.errors import HeadreuseError
from headreuse.work.events import Ended, Event, Job, Listener, attempt
from headreuse.work.machine import thread_variables


def run_on_ray(jobs: Iterable[Job], listener: Listener, *, n_workers: int, n_threads: int) -> None:
    """Run jobs on the cluster that RAY_ADDRESS names, or on this machine with `n_workers` if it names none.

    All machines must see the run folder at the same path. Each job takes `n_threads` cores, and a GPU if there are any.
    """
    if find_spec("ray") is None:
        raise HeadreuseError("--engine ray needs the extra `ray`: pip install 'headreuse[ray]'")
    waiting = list(jobs)
    if not waiting:
        return
    # Ray tells its makers about every use unless it is asked not to, before it is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray  # an extra, and slow to import

    _connect(n_cores=n_workers * n_threads, n_threads=n_threads)
    running: dict[Any, Job] = {}
    try:
        while waiting or running:
            running |= {_submitted(job, n_threads): job for job in waiting}
            (finished,), _ = ray.wait(list(running), num_returns=1)
            waiting = list(listener(_end_of(running.pop(finished), finished)))
    finally:
        ray.shutdown()


def _submitted(job: Job, n_threads: int) -> Any:
    """The future of a job; one that should run alone takes all cores of a machine."""
    import ray

    n_cores = max(int(node["Resources"].get("CPU", 0)) for node in ray.nodes()) if job.alone else n_threads
    n_gpus = min(1, ray.cluster_resources().get("GPU", 0))
    # What is tried again after a worker died is decided for all engines in `retries.py`.
    return ray.remote(num_cpus=n_cores, num_gpus=n_gpus, max_retries=0)(_attempt_silently).remote(job)


def _end_of(job: Job, future: Any) -> Event:
    import ray

    try:
        return Event(job, 1.0, "", *ray.get(future))
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError, ray.exceptions.NodeDiedError):
        return Event(job, 1.0, "", Ended.DIED)
    except ray.exceptions.RayError as error:
        return Event(job, 1.0, "", Ended.DONE, (f"{job}: {str(error).splitlines()[-1]}",))


def _connect(*, n_cores: int, n_threads: int) -> None:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    quiet |= {"runtime_env": {"env_vars": thread_variables(n_threads)}}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(**quiet)
    else:
        ray.init(num_cpus=n_cores, include_dashboard=False, **quiet)


def _attempt_silently(job: Job) -> tuple[Ended, tuple[str, ...]]:
    return attempt(job, lambda _fraction, _note: None)
