"""What engines run and what they tell of it: jobs, and events of jobs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from headreuse.errors import HeadreuseError
from headreuse.store.writing import BusyError

Tell = Callable[[float, str], None]
"""Called on the way with the fraction that is done, from 0 to 1, and a few words."""


class Job(Protocol):
    """A piece of work that can be sent to another process."""

    @property
    def cost(self) -> float:
        """Its size relative to other jobs, in any unit."""

    @property
    def alone(self) -> bool:
        """Whether nothing else of this command should run beside it on this machine."""

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left to do."""

    @property
    def failed(self) -> Sequence[str]:
        """A line for each part that failed before an earlier worker died, or that was given up."""

    def run(self, tell: Tell) -> Sequence[str]:
        """Do it; returns one line for each part that failed. Raises `BusyError` where another process is at it."""

    def at_death(self) -> str:
        """The part that a worker was at which died in this job."""

    def again(self, *, alone: bool, given_up: str | None) -> "Job":
        """What takes its place after its worker died: what is left.

        Args:
            alone: of the job that is returned.
            given_up: where the part that the worker was at is not tried again, the line that says why.
        """

    def waiting(self) -> "Job":
        """What takes its place after another process was at it: the same, but it waits for that process."""


class Ended(Enum):
    """How a job came to its end."""

    DONE = "done"
    """Also where parts of it failed."""
    DIED = "died"
    """Its worker was killed."""
    BUSY = "busy"
    """Another process is at it."""


@dataclass(frozen=True)
class Event:
    """News of one job."""

    job: Job
    fraction: float
    note: str
    ended: Ended | None = None
    """None where the job goes on."""
    problems: tuple[str, ...] = ()
    """One line for each part of the job that failed; empty before it has ended."""


Listener = Callable[[Event], Iterable[Job]]
"""Takes note of an event; answers with the jobs that follow the one that has ended, or that take its place."""
Engine = Callable[[Iterable[Job], Listener], None]
"""Runs jobs and those that follow to the end, and gives the listener all their events.

Jobs that follow one that is done come next, those that take the place of another come last.
"""


def attempt(job: Job, tell: Tell) -> tuple[Ended, tuple[str, ...]]:
    """Run a job; whatever it raises becomes a line of its problems, so that other jobs go on."""
    try:
        return Ended.DONE, tuple(job.run(tell))
    except (BrokenPipeError, ConnectionResetError):
        # Nobody listens any more: the worker ends.
        raise
    except BusyError:
        return Ended.BUSY, ()
    except HeadreuseError as error:
        return Ended.DONE, (f"{job}: {error}",)
    except Exception as error:
        return Ended.DONE, (f"{job}: {type(error).__name__}: {error}",)
