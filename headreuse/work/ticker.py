"""Tell how far the work is and how long it will take: bars on a terminal, plain lines elsewhere, always on stderr."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from headreuse.work.engines import Event

SECONDS_BETWEEN_LINES = 5.0


class Ticker:
    """Follows jobs through their events; use as a `with` block around the work."""

    def __init__(self, total_cost: float, *, began: float | None = None) -> None:
        self.total_cost = total_cost
        self.began = time.monotonic() if began is None else began
        self.finished_cost = 0.0
        self.running: dict[str, Event] = {}
        self.problems: list[str] = []
        self.n_finished = 0
        self._last_line = 0.0
        self._bars = _Bars() if sys.stderr.isatty() else None

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
        """Take in news of a job."""
        name = str(event.job)
        if event.finished:
            self.running.pop(name, None)
            self.finished_cost += event.job.cost
            self.n_finished += 1
        else:
            self.running[name] = event
        for problem in event.problems:
            self.problems.append(problem)
            self.line(f"failed: {problem}")
        self._show(event)

    @property
    def fraction(self) -> float:
        """Done, from 0 to 1, by cost."""
        under_way = sum(event.fraction * event.job.cost for event in self.running.values())
        return min(1.0, (self.finished_cost + under_way) / self.total_cost) if self.total_cost else 1.0

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None before there is any."""
        elapsed = time.monotonic() - self.began
        return elapsed * (1 - self.fraction) / self.fraction if self.fraction > 0 else None

    def line(self, text: str) -> None:
        """Print a line beside the bars."""
        console = self._bars.progress.console if self._bars else Console(stderr=True, soft_wrap=True)
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _show(self, event: Event) -> None:
        left = "time left unknown yet" if self.seconds_left is None else f"about {duration(self.seconds_left)} left"
        if self._bars:
            self._bars.show(event, self.fraction, left)
        elif event.finished or time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            doing = "; ".join(f"{name} {e.fraction:.0%} {e.note}".strip() for name, e in self.running.items())
            self.line(f"[{self.fraction:4.0%}] {left} · {doing or str(event.job) + ' done'}")


class _Bars:
    """One bar for all, one for each job at work."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:3.0f}%"),
        )
        self.progress = Progress(
            *columns, TextColumn("{task.fields[note]}", markup=False), console=Console(stderr=True)
        )
        self.everything = self.progress.add_task("everything", total=1.0, note="")
        self.jobs: dict[str, TaskID] = {}

    def show(self, event: Event, fraction: float, left: str) -> None:
        self.progress.update(self.everything, completed=fraction, note=left)
        name = str(event.job)
        if event.finished:
            if name in self.jobs:
                self.progress.remove_task(self.jobs.pop(name))
            return
        if name not in self.jobs:
            self.jobs[name] = self.progress.add_task(name, total=1.0, note="")
        self.progress.update(self.jobs[name], completed=event.fraction, note=event.note)


def duration(seconds: float) -> str:
    """`40 s`, `3 min` or `2 h 05 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
