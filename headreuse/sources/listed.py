"""What is noted of a series when it is listed: each checkpoint, the run that it belongs to, and which are left out."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from headreuse.errors import HeadreuseError
from headreuse.sources.series.base import Entry, Origin
from headreuse.sources.series.selection import Revisions
from headreuse.study.runs import Label

SEED = "{seed}"
MOST_LETTERS = 64


@dataclass(frozen=True)
class Place:
    """A place where a series lies."""

    seed: int | None
    """What `{seed}` stands for here; None without it."""
    name: str
    """What its run is called where it has only one."""
    repo: str
    """On a Hub; empty for a folder."""
    origin: Origin


@dataclass(frozen=True)
class Listed:
    """One checkpoint as it was when it was listed; the fields from `name` on are those of `Entry`."""

    label: Label
    """Of its run."""
    repo: str
    """On a Hub; empty for a folder."""
    run: str
    name: str
    step: int
    tokens: int | None
    fingerprint: str
    place: str
    problem: str

    def as_entry(self) -> Entry:
        """As its origin knows it."""
        fields = asdict(self)
        return Entry(**{name: fields[name] for name in Entry.__dataclass_fields__})


@dataclass(frozen=True)
class SeriesNote:
    """All checkpoints of a group's series."""

    entries: tuple[Listed, ...]
    revisions: str = ""
    """Which of the checkpoints were asked for, as JSON."""


def listed(places: Iterable[Place], revisions: Revisions) -> SeriesNote:
    """What is at these places, run by run in the order of steps; raises where there is nothing."""
    found: list[Listed] = []
    for place in places:
        by_run: dict[str, list[Entry]] = {}
        for entry in place.origin.entries():
            by_run.setdefault(entry.run, []).append(entry)
        for run, entries in by_run.items():
            label = _label(place.seed, run or place.name, {entry.label for entry in found})
            found += [Listed(label, place.repo, **asdict(entry)) for entry in _once(revisions.pick(entries))]
    if not found:
        raise HeadreuseError("series: no checkpoints there; `headreuse checkpoints PLACE` lists what is at a place")
    return SeriesNote(tuple(found))


def chosen(before: SeriesNote, now: SeriesNote) -> SeriesNote:
    """What is asked for now.

    A checkpoint that was usable stays as it was noted: if its files have become another model, it is left out, and why
    is said.
    """
    usable = _usable(before)
    return replace(now, entries=tuple(_kept(usable.get((entry.label, entry.name)), entry) for entry in now.entries))


def merged(before: SeriesNote, now: SeriesNote) -> SeriesNote:
    """What was noted, with what has come since and what can be used by now."""
    entries = chosen(before, now).entries
    there = {(entry.label, entry.name) for entry in entries}
    gone = [entry for key, entry in _usable(before).items() if key not in there]
    order = {label: place for place, label in enumerate(dict.fromkeys(e.label for e in (*before.entries, *entries)))}
    together = sorted([*entries, *gone], key=lambda entry: (order[entry.label], entry.step))
    return replace(now, entries=tuple(together))


def folders_of(pattern: Path, seeds: Sequence[int]) -> Iterator[tuple[int | None, Path]]:
    """The folder itself, or with `{seed}` in its name each folder that is there, and its seed."""
    if SEED not in pattern.name:
        yield None, pattern
        return
    before, after = pattern.name.split(SEED, 1)
    name = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    inside = sorted(pattern.parent.iterdir()) if pattern.parent.is_dir() else []
    there = {int(match[1]): path for path in inside if (match := name.fullmatch(path.name))}
    missing = [seed for seed in seeds if seed not in there]
    if missing or not there:
        raise HeadreuseError(f"{pattern}: no folder of seed {missing[0] if missing else SEED}; {_which(there)}")
    yield from sorted((seed, path) for seed, path in there.items() if not seeds or seed in seeds)


def _which(there: dict[int, Path]) -> str:
    return f"there are {', '.join(map(str, sorted(there)))}" if there else "none of any seed is there"


def _usable(note: SeriesNote) -> dict[tuple[Label, str], Listed]:
    return {(entry.label, entry.name): entry for entry in note.entries if not entry.problem}


def _kept(before: Listed | None, now: Listed) -> Listed:
    if before is None or before.fingerprint == now.fingerprint:
        return now
    why = now.problem or "it is another model than when it was first listed; copy it again"
    return replace(before, problem=why)


def _once(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries of one run, of which no two may have one step."""
    steps: dict[int, str] = {}
    for entry in entries:
        other = steps.get(entry.step) if not entry.problem else None
        if not entry.problem:
            steps.setdefault(entry.step, entry.name)
        yield replace(entry, problem=f"it has the step of {other}") if other else entry


def _label(seed: int | None, name: str, taken: set[Label]) -> Label:
    """What tells a run apart in tables and file names: its seed, or its name without what a file name may not have."""
    if seed is not None and seed not in taken:
        return seed
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-")[:MOST_LETTERS] or "run"
    others = (f"{plain}-{number}" for number in range(2, len(taken) + 3))
    return next(label for label in (plain, *others) if label not in taken)
