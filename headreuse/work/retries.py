"""What is tried again, and when a piece of work is given up so that the rest goes on.

- An error that the user can mend (`HeadreuseError`) is told at once: trying again changes nothing.
- Any other error in a measurement is tried three times in the same worker (`jobs.py`): a disk may be slow to answer, or
  another process may have taken the memory.
- A worker that dies is blamed on the part that it was at. What is left of its job comes last in the queue, the third
  time with nothing beside it. A part that killed three workers is given up and the job goes on without it.
- A job that another process has in hand comes last in the queue too, and then waits for that process.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from headreuse.work.events import Ended, Event, Job

TRIES = 3


@dataclass(frozen=True)
class Settled:
    """What follows from the end of a job."""

    event: Event
    """The same event, or that the job is done where all that was left of it is given up."""
    line: str = ""
    """To say; empty where there is nothing."""
    instead: Sequence[Job] = ()
    """What takes the job's place."""


class Retries:
    """Counts what killed workers of one command, and says what takes the place of a job that came to no good end."""

    def __init__(self) -> None:
        self.deaths: Counter[tuple[str, str]] = Counter()
        """By job and part."""

    def settle(self, event: Event) -> Settled:
        """What follows from an event; nothing where the job goes on or is done."""
        if event.ended is Ended.BUSY:
            line = f"{event.job}: another process is at it; looked at again later"
            return Settled(event, line, [event.job.waiting()])
        return self._died(event) if event.ended is Ended.DIED else Settled(event)

    def _died(self, event: Event) -> Settled:
        part = event.job.at_death()
        self.deaths[str(event.job), part] += 1
        n = self.deaths[str(event.job), part]
        died = f"{event.job}{', at ' if part else ''}{part}: its process died {{}}, perhaps because memory ran out"
        if n < TRIES:
            alone = n == TRIES - 1
            line = f"{died.format(f'({n} of {TRIES} times)')}; tried again {'alone' if alone else 'later'}"
            return Settled(event, line, [event.job.again(alone=alone, given_up=None)])
        rest = event.job.again(alone=False, given_up=died.format(f"{TRIES} times"))
        if rest.is_over:
            # No worker is started for it: whatever killed the others may kill that one, too.
            return Settled(Event(rest, 1.0, "", Ended.DONE, tuple(rest.failed)))
        return Settled(event, instead=[rest])
