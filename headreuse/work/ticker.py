"""How much of the work is done, and how long will the rest take? Bars on a terminal, else plain lines, on stderr."""

import sys
import time
from types import TracebackType
from typing import ClassVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from headreuse.work.events import Ended, Event

SECONDS_BETWEEN_LINES = 5.0


class Ticker:
    """Shows the progress of jobs from their events; use it as a `with` block around the work."""

    is_quiet: ClassVar[bool] = False
    """Whether all of this process show nothing but failures."""

    def __init__(self, total_cost: float) -> None:
        self.total_cost = total_cost
        self.first: tuple[float, float] | None = None
        """When anything was first done, and the share that was done by then: starting and what is taken up again take
        no part in the pace."""
        self.finished_cost = 0.0
        self.running: dict[str, Event] = {}
        self.problems: list[str] = []
        self._last_line = 0.0
        self._bars = _Bars() if sys.stderr.isatty() and not self.is_quiet else None

    def __enter__(self) -> "Ticker":
        if self._bars:
            self._bars.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.progress.stop()

    def __call__(self, event: Event) -> None:
        """Take note of an event and show it."""
        name = str(event.job)
        if event.ended:
            self.running.pop(name, None)
            self.finished_cost += event.job.cost if event.ended is Ended.DONE else 0.0
        else:
            self.running[name] = event
        if self.first is None and self.fraction > 0:
            self.first = time.monotonic(), self.fraction
        for problem in event.problems:
            self.problems.append(problem)
            self.line(f"failed: {problem}")
        if not self.is_quiet:
            self._show(event)

    @property
    def fraction(self) -> float:
        """Share of the total cost that is done, from 0 to 1."""
        under_way = sum(event.fraction * event.job.cost for event in self.running.values())
        return min(1.0, (self.finished_cost + under_way) / self.total_cost) if self.total_cost else 1.0

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the pace so far; None before there is one."""
        if self.fraction == 1:
            return 0.0
        at, share = self.first or (0.0, self.fraction)
        done = self.fraction - share
        return (time.monotonic() - at) * (1 - self.fraction) / done if done > 0 else None

    def line(self, text: str) -> None:
        """Print a line, above the bars if there are any."""
        console = self._bars.progress.console if self._bars else Console(stderr=True, soft_wrap=True)
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _show(self, event: Event) -> None:
        if self.seconds_left is None:
            left = "time left not known yet"
        else:
            left = f"about {duration(self.seconds_left)} left" if self.seconds_left else "finished"
        if self._bars:
            self._bars.show(event, self.fraction, left)
        elif event.ended is Ended.DONE or time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            doing = "; ".join(f"{name} {last.fraction:.0%} {last.note}".strip() for name, last in self.running.items())
            self.line(f"[{self.fraction:4.0%}] {left} · {doing or _end_of(event)}")


def _end_of(event: Event) -> str:
    assert event.ended is not None
    return f"{event.job} {'failed' if event.problems else event.ended.value}"


class _Bars:
    """One bar for all of the work, with the time at which it began, and one for each job that is running."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:3.0f}%"),
        )
        self.progress = Progress(
            *columns, TextColumn("{task.fields[note]}", markup=False), console=Console(stderr=True)
        )
        self.everything = self.progress.add_task(f"since {time.strftime('%H:%M')}", total=1.0, note="")
        self.jobs: dict[str, TaskID] = {}

    def show(self, event: Event, fraction: float, left: str) -> None:
        self.progress.update(self.everything, completed=fraction, note=left)
        name = str(event.job)
        if event.ended:
            if name in self.jobs:
                self.progress.remove_task(self.jobs.pop(name))
            return
        if name not in self.jobs:
            self.jobs[name] = self.progress.add_task(name, total=1.0, note="")
        self.progress.update(self.jobs[name], completed=event.fraction, note=event.note)


def duration(seconds: float) -> str:
    """A time as text: `40 s`, `3 min` or `2 h 05 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
