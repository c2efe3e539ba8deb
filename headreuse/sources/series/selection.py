"""Which entries of a series are used: a range of steps, every k-th, some evenly spaced in log step, or a list."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Annotated

from pydantic import Field, model_validator

from headreuse.errors import HeadreuseError, nearest
from headreuse.sources.series.base import Entry
from headreuse.study import limits
from headreuse.study.frozen import Frozen, check_unique

MOST_SHOWN = 12


class Revisions(Frozen):
    """A choice of entries, made for each run of a series apart; all where nothing is said."""

    first: Annotated[int, Field(ge=0)] | None = None
    """Steps below it are left out."""
    last: Annotated[int, Field(ge=0)] | None = None
    """Steps above it are left out."""
    every: Annotated[int, Field(ge=1)] | None = None
    """Every so many-th entry, from the first on."""
    log_spaced: Annotated[int, Field(ge=2, le=limits.CHECKPOINTS)] | None = None
    """This many, the first and the last among them, as evenly spaced in log step as those that are there allow."""
    at: Annotated[tuple[int | str, ...], Field(min_length=1, strict=False)] | None = None
    """Steps, or names of folders or revisions."""

    @model_validator(mode="after")
    def _one_way(self) -> "Revisions":
        given = [name for name in ("every", "log_spaced", "at") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give at most one of every, log_spaced, at (here: {', '.join(given)})")
        if self.at is not None:
            if self.first is not None or self.last is not None:
                raise ValueError("at names each entry, so first and last go without it")
            check_unique(self.at)
        if None not in (self.first, self.last) and self.first > self.last:  # type: ignore[operator]
            raise ValueError(f"first ({self.first}) is after last ({self.last}); exchange them")
        return self

    def pick(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        """The chosen entries in their order; raises `HeadreuseError` where one that is asked for is not there.

        Of entries that cannot be used, `every` and `log_spaced` choose none; the others keep them, with their problem.
        """
        runs = [list(run) for _, run in groupby(entries, key=lambda entry: entry.run)]
        return tuple(entry for run in runs for entry in self._of_run(run))

    def _of_run(self, entries: list[Entry]) -> list[Entry]:
        if self.at is not None:
            wanted = [_found(entries, wanted) for wanted in self.at]
            return [entry for entry in entries if entry in wanted]
        first, last = self.first or 0, math.inf if self.last is None else self.last
        within = [entry for entry in entries if first <= entry.step <= last]
        if not within:
            until = "on" if self.last is None else f"to {last}"
            raise HeadreuseError(f"revisions: no step from {first} {until}; {_there(entries)}")
        if self.every is None and self.log_spaced is None:
            return within
        usable = [entry for entry in within if not entry.problem]
        return usable[:: self.every] if self.every else _log_spaced(usable, self.log_spaced or 0)


def _found(entries: list[Entry], wanted: int | str) -> Entry:
    """The entry of a step or a name; one that can be used where there are several."""
    found = [entry for entry in entries if wanted == (entry.step if isinstance(wanted, int) else entry.name)]
    if not found:
        what = f"step {wanted}" if isinstance(wanted, int) else f"name {wanted!r}"
        hint = nearest(wanted, [entry.name for entry in entries]) if isinstance(wanted, str) else ""
        raise HeadreuseError(f"revisions.at: no {what}{hint}; {_there(entries)}")
    return min(found, key=lambda entry: bool(entry.problem))


def _log_spaced(entries: list[Entry], n: int) -> list[Entry]:
    """`n` entries whose steps are nearest to such evenly spaced in log step; step 0 is one more before the first."""
    if n >= len(entries):
        return entries
    places = [math.log(max(entry.step, 1)) - (1 if entry.step == 0 else 0) for entry in entries]
    chosen: list[int] = []
    for index in range(n):
        target = places[0] + (places[-1] - places[0]) * index / (n - 1)
        # As many must be left behind it as are still to be chosen.
        free = range(chosen[-1] + 1 if chosen else 0, len(entries) - (n - 1 - index))
        chosen.append(min(free, key=lambda i: abs(places[i] - target)))
    return [entries[i] for i in chosen]


def _there(entries: Sequence[Entry]) -> str:
    """What there is to choose from."""
    if not entries:
        return "nothing is there"
    steps = [str(entry.step) for entry in entries]
    shown = steps if len(steps) <= MOST_SHOWN else [*steps[: MOST_SHOWN - 2], "…", steps[-1]]
    run = f"{entries[0].run}: " if entries[0].run else ""
    return f"{run}there are steps {', '.join(shown)}"
