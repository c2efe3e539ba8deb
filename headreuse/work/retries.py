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

from headreuse.work.events import Ended, Event, Job

TRIES = 3


class Retries:
    """Counts what killed workers of one command, and says what takes the place of a job that came to no good end."""

    def __init__(self) -> None:
        self.deaths: Counter[tuple[str, str]] = Counter()
        """By job and part."""

    def instead_of(self, event: Event) -> tuple[str, Sequence[Job]]:
        """A line to say and what takes the job's place; an empty line and nothing where the job is over."""
        if event.ended is Ended.BUSY:
            return f"{event.job}: another process is at it; looked at again later", [event.job.waiting()]
        if event.ended is not Ended.DIED:
            return "", []
        part = event.job.at_death()
        self.deaths[str(event.job), part] += 1
        n = self.deaths[str(event.job), part]
        killed = (
            f"{event.job}{', at ' if part else ''}{part}: its process was killed {{}}, perhaps because memory ran out"
        )
        if n == TRIES:
            return "", [event.job.again(alone=False, given_up=killed.format(f"{TRIES} times"))]
        alone = n == TRIES - 1
        line = f"{killed.format(f'({n} of {TRIES} times)')}; tried again {'alone' if alone else 'later'}"
        return line, [event.job.again(alone=alone, given_up=None)]
