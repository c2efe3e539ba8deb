"""Run jobs: in this process, in processes side by side, or on Ray; a job that fails or dies stops no other."""

import ctypes
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing.connection import Connection, wait
from typing import Protocol

from headreuse.errors import HeadreuseError, UnknownNameError, nearest

ENGINES = ("processes", "ray")
JOBS_PER_GPU = 4
"""Side by side on one GPU, unless told otherwise: a small model alone leaves most of it idle."""


class Job(Protocol):
    """A piece of work that can be sent to another process."""

    @property
    def cost(self) -> float:
        """Its size beside other jobs', in any unit."""

    def run(self, tell: Callable[[float, str], None]) -> Sequence[str]:
        """Do it, calling `tell(fraction_done, note)` on the way; return one line for each part that failed."""


@dataclass(frozen=True)
class Event:
    """News of one job."""

    job: Job
    fraction: float
    note: str
    finished: bool = False
    problems: tuple[str, ...] = ()


Listener = Callable[[Event], None]
Followers = Callable[[Job], Iterable[Job]]
Engine = Callable[[Iterable[Job], Listener, Followers], None]


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_gpus() -> tuple[str, ...]:
    """Names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES has them; found without loading torch."""
    if version("torch").endswith("+cpu"):
        return ()
    n_gpus = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return ()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(n_gpus)):
        return ()
    told = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return tuple(told.split(",") if told else map(str, range(n_gpus.value)))[: n_gpus.value]


def n_side_by_side(n_runs: int, *, n_cores: int, n_gpus: int) -> int:
    """Workers unless told otherwise: one for each run, as many as there are cores, and no more than GPUs bear."""
    return min(n_runs, n_cores, JOBS_PER_GPU * n_gpus or n_cores)


def choose_engine(name: str, *, n_workers: int | None, n_runs: int) -> Engine:
    """The engine of that name with as many workers as `n_side_by_side` says, unless told otherwise.

    Where there are several GPUs, workers take turns at them. Threads for each worker follow from the study and the
    machine alone, not from what is left to do, since another number of threads rounds sums differently: a run that was
    killed ends as one that was not.
    """
    if name not in ENGINES:
        raise UnknownNameError(
            f"unknown engine {name!r}{nearest(name, list(ENGINES))}; choose from: {', '.join(ENGINES)}"
        )
    cores, gpus = usable_cores(), usable_gpus()
    side_by_side = n_side_by_side(n_runs, n_cores=cores, n_gpus=len(gpus)) if n_workers is None else n_workers
    n_threads = max(1, cores // max(1, side_by_side))
    if name == "ray":
        return partial(run_on_ray, n_threads=n_threads)
    if side_by_side == 0:
        return run_here
    return partial(run_in_processes, n_workers=side_by_side, n_threads=n_threads, gpus=gpus)


def run_here(jobs: Iterable[Job], listener: Listener, followers: Followers) -> None:
    """One job after the other, in this process."""
    queue = deque(jobs)
    while queue:
        job = queue.popleft()
        problems = _attempt(job, lambda fraction, note, job=job: listener(Event(job, fraction, note)))  # type: ignore[misc]
        listener(Event(job, 1.0, "", finished=True, problems=problems))
        queue.extendleft(reversed(list(followers(job))))


def run_in_processes(
    jobs: Iterable[Job],
    listener: Listener,
    followers: Followers,
    *,
    n_workers: int,
    n_threads: int,
    gpus: Sequence[str] = (),
) -> None:
    """Up to `n_workers` jobs at a time, each with `n_threads` threads and one of the GPUs.

    Followers of a finished job go to the front. A worker that is killed fails its job alone; all end with this process.
    """
    given = [_settings(n_threads, gpus[index % len(gpus)] if gpus else None) for index in range(n_workers)]
    queue, workers = deque(jobs), [_Worker(settings) for settings in given]
    try:
        while queue or any(worker.job for worker in workers):
            for worker in workers:
                if worker.job is None and queue:
                    worker.start(queue.popleft())
            busy = {worker.connection: worker for worker in workers if worker.job}
            for connection in wait(list(busy)):
                event = busy[connection].news()  # type: ignore[index]
                listener(event)
                if event.finished:
                    queue.extendleft(reversed(list(followers(event.job))))
    finally:
        for worker in workers:
            worker.end()


def run_on_ray(jobs: Iterable[Job], listener: Listener, followers: Followers, *, n_threads: int) -> None:
    """Jobs on a Ray cluster, or on this machine where none is joined (extra `ray`); the run folder must be seen by all.

    Ray starts a job again whose worker was killed. RAY_ADDRESS names a cluster; where it has GPUs, each job takes one.
    """
    if find_spec("ray") is None:
        raise HeadreuseError("--engine ray needs the extra `ray`: pip install 'headreuse[ray]'")
    import ray  # an extra, and slow to import

    ray.init(ignore_reinit_error=True, log_to_driver=False)
    n_gpus = min(1, ray.cluster_resources().get("GPU", 0))
    attempt = ray.remote(num_cpus=n_threads, num_gpus=n_gpus, max_retries=2)(_attempt_silently)
    running = {attempt.remote(job): job for job in jobs}
    while running:
        (finished,), _ = ray.wait(list(running), num_returns=1)
        job = running.pop(finished)
        try:
            problems = ray.get(finished)
        except ray.exceptions.RayError as error:
            problems = (f"{job}: {str(error).splitlines()[0]}",)
        listener(Event(job, 1.0, "", finished=True, problems=problems))
        running |= {attempt.remote(later): later for later in followers(job)}


class _Worker:
    """A process that does one job after the other."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.settings = settings
        self.job: Job | None = None
        self.process: multiprocessing.process.BaseProcess | None = None
        self.connection: Connection

    def start(self, job: Job) -> None:
        if self.process is None or not self.process.is_alive():
            context = multiprocessing.get_context("spawn")
            self.connection, theirs = context.Pipe()
            with _environment(self.settings):
                # Not a daemon, since those may not start the processes that make batches; `end` ends it.
                self.process = context.Process(target=_work, args=(theirs,))
                self.process.start()
            theirs.close()
        self.job = job
        self.connection.send(job)

    def news(self) -> Event:
        assert self.job is not None
        job = self.job
        try:
            fraction, note, finished, problems = self.connection.recv()
        except (EOFError, ConnectionResetError):
            assert self.process is not None
            self.process.join()
            self.process, self.job = None, None
            return Event(
                job, 1.0, "", True, (f"{job}: its process was killed; run again to go on from its last checkpoint",)
            )
        if finished:
            self.job = None
        return Event(job, fraction, note, finished, problems)

    def end(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.join()


def _settings(n_threads: int, gpu: str | None) -> dict[str, str]:
    """What a worker's environment says: so many threads, whatever library counts them, and one GPU."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(n_threads))
    return threads if gpu is None else threads | {"CUDA_VISIBLE_DEVICES": gpu}


class _environment:  # noqa: N801
    """Within the block, processes that are started have these environment variables."""

    def __init__(self, wanted: Mapping[str, str]) -> None:
        self.wanted = wanted

    def __enter__(self) -> None:
        self.before = {name: os.environ.get(name) for name in self.wanted}
        os.environ.update(self.wanted)

    def __exit__(self, *_: object) -> None:
        for name, value in self.before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(connection: Connection) -> None:
    """The life of a worker: it ends when the process that started it does, at the latest with its next word."""
    try:
        while True:
            job: Job = connection.recv()
            problems = _attempt(job, _sparingly(lambda fraction, note: connection.send((fraction, note, False, ()))))
            connection.send((1.0, "", True, problems))
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        os._exit(0)


def _attempt(job: Job, tell: Callable[[float, str], None]) -> tuple[str, ...]:
    """The job's problems. Whatever goes wrong in one job is told and leaves the others alone."""
    try:
        return tuple(job.run(tell))
    except (BrokenPipeError, ConnectionResetError):
        raise
    except HeadreuseError as error:
        return (f"{job}: {error}",)
    except Exception as error:
        return (f"{job}: {type(error).__name__}: {error}",)


def _attempt_silently(job: Job) -> tuple[str, ...]:
    return _attempt(job, lambda _fraction, _note: None)


def _sparingly(tell: Callable[[float, str], None], seconds: float = 0.2) -> Callable[[float, str], None]:
    last = 0.0

    def tell_if_due(fraction: float, note: str) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            tell(fraction, note)

    return tell_if_due
