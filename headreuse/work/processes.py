"""Run jobs in several processes of this machine. A job that fails or is killed stops no other job."""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Thread

from headreuse.work.events import Ended, Event, Job, Listener, Tell, attempt
from headreuse.work.machine import thread_variables


def run_in_processes(
    jobs: Iterable[Job], listener: Listener, *, n_workers: int, n_threads: int, gpus: Sequence[str] = ()
) -> None:
    """Run up to `n_workers` jobs at a time, each with `n_threads` threads and one of the GPUs.

    A worker that is killed ends its own job alone; all workers end with this process.
    """
    queue = deque(jobs)
    environments = [_environment(n_threads, gpus[index % len(gpus)] if gpus else None) for index in range(n_workers)]
    workers = [_Worker(environment) for environment in environments]
    try:
        for event in _events(queue, workers):
            following = list(listener(event))
            if event.ended is Ended.DONE:
                queue.extendleft(reversed(following))
            else:
                queue.extend(following)
    finally:
        for worker in workers:
            worker.end()


def _events(queue: deque[Job], workers: Sequence["_Worker"]) -> Iterator[Event]:
    """News of all jobs, until none is left; the caller may add jobs to the queue between two events."""
    # Every job ends in exactly one event that has `ended`: a worker has one job at a time and says when it is done,
    # and a killed worker closes its pipe, which wakes `wait` and makes `news` end the job. Jobs are handed out before
    # the check for busy workers, so when none is busy the queue is empty, too.
    while True:
        for worker in workers:
            running = [other.job for other in workers if other.job]
            if worker.job is None and queue and _may_start(queue[0], running):
                worker.start(queue.popleft())
        busy = [worker for worker in workers if worker.job]
        if not busy:
            return
        ready = wait([worker.connection for worker in busy])
        yield from (worker.news() for worker in busy if worker.connection in ready)


def _may_start(job: Job, running: Sequence[Job]) -> bool:
    return not running or not (job.alone or any(other.alone for other in running))


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
            fraction, note, ended, problems = self.connection.recv()
        except (EOFError, ConnectionResetError):
            assert self.process is not None
            self.process.join()
            self.process, self.job = None, None
            return Event(job, 1.0, "", Ended.DIED)
        if ended:
            self.job = None
        return Event(job, fraction, note, ended, problems)

    def end(self) -> None:
        """End the process, whatever it is doing."""
        if self.process is not None:
            self.process.kill()
            self.process.join()


def _environment(n_threads: int, gpu: str | None) -> dict[str, str]:
    threads = thread_variables(n_threads)
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
            ended, problems = attempt(
                job, _at_intervals(lambda fraction, note: connection.send((fraction, note, None, ())))
            )
            connection.send((1.0, "", ended, problems))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)


def _at_intervals(tell: Tell, seconds: float = 0.2) -> Tell:
    """`tell`, called at most once in so many seconds; what comes between is dropped."""
    last = 0.0

    def tell_if_due(fraction: float, note: str) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            tell(fraction, note)

    return tell_if_due
