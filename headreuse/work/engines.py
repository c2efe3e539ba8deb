"""Run jobs: in this process, in several processes, or on Ray. A job that fails or is killed stops no other job."""

import ctypes
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Protocol

from headreuse.errors import HeadreuseError, UnknownNameError, nearest

ENGINES = ("processes", "ray")
JOBS_PER_GPU = 4
"""How many jobs share one GPU by default: a small model alone leaves most of it idle."""


class Job(Protocol):
    """A piece of work that can be sent to another process."""

    @property
    def cost(self) -> float:
        """Its size relative to other jobs, in any unit."""

    def run(self, tell: Callable[[float, str], None]) -> Sequence[str]:
        """Do it and call `tell(fraction_done, note)` on the way; returns one line for each part that failed."""


@dataclass(frozen=True)
class Event:
    """News of one job."""

    job: Job
    fraction: float
    note: str
    finished: bool = False
    problems: tuple[str, ...] = ()
    """One line for each part of the job that failed; empty before it is finished."""


Listener = Callable[[Event], None]
Followers = Callable[[Job], Iterable[Job]]
"""The jobs that a finished job makes possible."""
Engine = Callable[[Iterable[Job], Listener, Followers], None]
"""Runs jobs and their followers to the end, and gives the listener all their events."""


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_gpus() -> tuple[str, ...]:
    """Names of the GPUs that this process may use, as in CUDA_VISIBLE_DEVICES; found without loading torch."""
    if version("torch").endswith("+cpu"):
        return ()
    n_gpus = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return ()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(n_gpus)):
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return tuple(visible.split(",") if visible else map(str, range(n_gpus.value)))[: n_gpus.value]


def n_side_by_side(n_runs: int, *, n_cores: int, n_gpus: int) -> int:
    """Number of workers by default: one for each run, but no more than cores, or than `JOBS_PER_GPU` on each GPU."""
    return min(n_runs, n_cores, JOBS_PER_GPU * n_gpus or n_cores)


def side_by_side(n_workers: int | None, *, n_runs: int) -> tuple[int, int]:
    """Workers that have work at the same time, at least one, and the threads of each: as `choose_engine` has them."""
    cores = usable_cores()
    chosen = n_side_by_side(n_runs, n_cores=cores, n_gpus=len(usable_gpus())) if n_workers is None else n_workers
    return max(1, min(chosen, n_runs)), max(1, cores // max(1, chosen))


def choose_engine(name: str, *, n_workers: int | None, n_runs: int) -> Engine:
    """The engine of that name; `n_workers` None for as many workers as `n_side_by_side` gives, 0 for this process.

    Several GPUs are given to the workers in turn. The number of threads of a worker depends on the study and the
    machine alone, not on what is left to do: another number of threads rounds sums differently, and a run that was
    killed and continued must end as one that was not.
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
    """Run one job after the other in this process."""
    queue = deque(jobs)
    while queue:
        job = queue.popleft()
        problems = _attempt(job, partial(_tell, listener, job))
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
    """Run up to `n_workers` jobs at a time, each with `n_threads` threads and one of the GPUs.

    Followers of a finished job come first. A worker that is killed fails its own job alone; all end with this process.
    """
    queue = deque(jobs)
    environments = [_environment(n_threads, gpus[index % len(gpus)] if gpus else None) for index in range(n_workers)]
    workers = [_Worker(environment) for environment in environments]
    try:
        for event in _events(queue, workers):
            listener(event)
            if event.finished:
                queue.extendleft(reversed(list(followers(event.job))))
    finally:
        for worker in workers:
            worker.end()


def _events(queue: deque[Job], workers: Sequence["_Worker"]) -> Iterator[Event]:
    """News of all jobs, until none is left; the caller may add jobs to the queue between two events."""
    # Every job ends in exactly one event that is `finished`: a worker has one job at a time and says when it is done,
    # and a killed worker closes its pipe, which wakes `wait` and makes `news` fail the job. Jobs are handed out before
    # the check for busy workers, so when none is busy the queue is empty, too.
    while True:
        for worker in workers:
            if worker.job is None and queue:
                worker.start(queue.popleft())
        busy = [worker for worker in workers if worker.job]
        if not busy:
            return
        ready = wait([worker.connection for worker in busy])
        yield from (worker.news() for worker in busy if worker.connection in ready)


def run_on_ray(jobs: Iterable[Job], listener: Listener, followers: Followers, *, n_threads: int) -> None:
    """Run jobs on a Ray cluster (extra `ray`), which RAY_ADDRESS names, or on this machine if it names none.

    All machines must see the run folder. Ray restarts a job whose worker was killed. Each job takes a GPU if there are
    any.
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

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.job: Job | None = None
        self.process: BaseProcess | None = None
        self.connection: Connection

    def start(self, job: Job) -> None:
        """Begin a job, in a new process if there is none."""
        if self.process is None or not self.process.is_alive():
            context = multiprocessing.get_context("spawn")
            self.connection, theirs = context.Pipe()
            with _environment_set(self.environment), _without_signals():
                # Not a daemon: a daemon may not start the processes that make batches. `end` ends it.
                self.process = context.Process(target=_work, args=(theirs,))
                self.process.start()
            theirs.close()
        self.job = job
        # One that was killed just now is heard of in `news`, which finds the connection closed.
        with suppress(BrokenPipeError):
            self.connection.send(job)

    def news(self) -> Event:
        """What the job says next, or that its process was killed."""
        assert self.job is not None
        job = self.job
        try:
            fraction, note, finished, problems = self.connection.recv()
        except (EOFError, ConnectionResetError):
            assert self.process is not None
            self.process.join()
            self.process, self.job = None, None
            problem = (
                f"{job}: its process was killed, perhaps because memory ran out; "
                "run again to go on from the last checkpoint"
            )
            return Event(job, 1.0, "", finished=True, problems=(problem,))
        if finished:
            self.job = None
        return Event(job, fraction, note, finished, problems)

    def end(self) -> None:
        """End the process, whatever it is doing."""
        if self.process is not None:
            self.process.kill()
            self.process.join()


def _environment(n_threads: int, gpu: str | None) -> dict[str, str]:
    """The environment variables of a worker: its number of threads, for every library that reads one, and its GPU."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(n_threads))
    return threads if gpu is None else threads | {"CUDA_VISIBLE_DEVICES": gpu}


@contextmanager
def _environment_set(variables: Mapping[str, str]) -> Iterator[None]:
    """Within the block, processes that are started have these environment variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _without_signals() -> Iterator[None]:
    """Within the block, Ctrl-C and a request to end wait; a process that is started here waits with both, too.

    So this process knows every process that it has started when it is told to end, and Ctrl-C, which a terminal sends
    to all of them, is answered by this one alone.
    """
    # The first process of all would start it, and starting it lets both signals through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with(parent: BaseProcess) -> None:
    """End this process as soon as that one is gone, also in the middle of a job."""
    parent.join()
    os._exit(1)


def _work(connection: Connection) -> None:
    """What a worker's process does: one job after the other, until the process that started it is gone."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    if parent := multiprocessing.parent_process():
        Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        while True:
            job: Job = connection.recv()
            problems = _attempt(job, _at_intervals(lambda fraction, note: connection.send((fraction, note, False, ()))))
            connection.send((1.0, "", True, problems))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)


def _attempt(job: Job, tell: Callable[[float, str], None]) -> tuple[str, ...]:
    """Run a job; whatever it raises becomes a line of its problems, so that other jobs go on."""
    try:
        return tuple(job.run(tell))
    except (BrokenPipeError, ConnectionResetError):
        # Nobody listens any more: `_work` ends the process.
        raise
    except HeadreuseError as error:
        return (f"{job}: {error}",)
    except Exception as error:
        return (f"{job}: {type(error).__name__}: {error}",)


def _attempt_silently(job: Job) -> tuple[str, ...]:
    return _attempt(job, lambda _fraction, _note: None)


def _tell(listener: Listener, job: Job, fraction: float, note: str) -> None:
    listener(Event(job, fraction, note))


def _at_intervals(tell: Callable[[float, str], None], seconds: float = 0.2) -> Callable[[float, str], None]:
    """`tell`, called at most once in so many seconds; what comes between is dropped."""
    last = 0.0

    def tell_if_due(fraction: float, note: str) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            tell(fraction, note)

    return tell_if_due
