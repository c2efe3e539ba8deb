"""A series as a table for people, for a pipe and for programs, and what is to be said about it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from headreuse.sources.series.about import About, about_folder
from headreuse.sources.series.base import Entry
from headreuse.sources.series.cache import in_words
from headreuse.sources.series.hub_about import about_last
from headreuse.sources.series.known import KnownSeries
from headreuse.sources.series.local import LocalOrigin
from headreuse.sources.series.names import parse_name
from headreuse.sources.series.opening import origins_at

COLUMNS = ("run", "step", "tokens", "whole", "size", "architecture", "heads", "position", "vocabulary", "dtype", "name")
UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))


@dataclass(frozen=True)
class Row:
    """One entry and what its model is."""

    entry: Entry
    about: About | None
    """None where nothing is known before it is downloaded."""
    is_here: bool
    """Whether it lies on this machine, so that it has been verified."""

    def cells(self) -> tuple[str, ...]:
        """What stands in each of `COLUMNS`."""
        entry, about = self.entry, self.about
        whole = "no" if entry.problem else "yes" if self.is_here else "not checked"
        tokens = "" if entry.tokens is None else in_units(entry.tokens)
        if about is None:
            return (entry.run, str(entry.step), tokens, whole, "", "", "", "", "", "", entry.name)
        size = "" if about.n_bytes is None else in_words(about.n_bytes)
        vocabulary = "" if about.d_vocab is None else str(about.d_vocab)
        shape = (about.architecture, heads_of(about), about.position, vocabulary, about.dtype)
        return (entry.run, str(entry.step), tokens, whole, size, *shape, entry.name)


def rows_at(place: str, *, allow_pickles: bool = False) -> list[Row]:
    """All entries of a series; those on a Hub are of the shape that its last revision has, and no weight is read."""
    rows: list[Row] = []
    for origin in origins_at(place, allow_pickles=allow_pickles).values():
        entries = origin.entries()
        is_here = isinstance(origin, LocalOrigin)
        shared = None if is_here else about_last(origin, entries)
        rows += [Row(entry, about_folder(Path(entry.place)) if is_here else shared, is_here) for entry in entries]
    return rows


def heads_of(about: About) -> str:
    """Layers × heads, and in brackets key/value heads where they are fewer: `32 × 15 (5)`."""
    if about.n_layers is None or about.n_heads is None:
        return ""
    few = about.n_key_value_heads is not None and about.n_key_value_heads < about.n_heads
    return f"{about.n_layers} × {about.n_heads}" + (f" ({about.n_key_value_heads})" if few else "")


def in_units(number: int) -> str:
    """`1.5M`, `4B`, `480k`."""
    for unit, name in UNITS:
        if number >= unit:
            return f"{number / unit:.3g}{name}"
    return str(number)


def table(rows: Sequence[Row], *, plain: bool) -> list[str]:
    """Lines with tabs between columns if `plain`, else columns under each other, without those that are empty."""
    cells = [COLUMNS, *(row.cells() for row in rows)]
    if plain:
        return ["\t".join(line) for line in cells]
    return _aligned([column for column in zip(*cells, strict=True) if any(column[1:])])


def as_json(rows: Iterable[Row]) -> str:
    """All that is known, for programs."""
    listed = [asdict(row.entry) | {"whole": _whole(row)} | (asdict(row.about) if row.about else {}) for row in rows]
    return json.dumps(listed, indent=2)


def remarks(rows: Sequence[Row]) -> list[str]:
    """What is left out, one line each; stages whose steps count on; a tokenizer that may be another model's."""
    lines = [f"skipped {row.entry.place}: {row.entry.problem}" for row in rows if row.entry.problem]
    usable = [row for row in rows if not row.entry.problem]
    on = [row.entry for row in usable if _counted_on(row.entry)]
    first = {(entry.run, _stage(entry.name)): entry for entry in reversed(on)}
    for entry in reversed(first.values()):
        lines.append(
            f"{entry.place}: its stage begins again at step 0; here steps count on, so it is step {entry.step}"
        )
    if usable and usable[-1].is_here:
        # Loads torch, as listing a folder has done.
        from headreuse.models.checkpoints import why_masks
        from headreuse.models.model_files import few_words

        lines += filter(None, [few_words(Path(usable[-1].entry.place))])
        lines += filter(None, dict.fromkeys(why_masks(Path(row.entry.place)) for row in usable))
    return lines


def known_table(series: Iterable[KnownSeries], *, plain: bool) -> list[str]:
    """Name, repository, an example of a revision, and where it is described."""
    cells = [("name", "repository", "a revision", "described in")]
    cells += [(known.name, known.repo, known.revisions, known.source) for known in series]
    return ["\t".join(line) for line in cells] if plain else _aligned(list(zip(*cells, strict=True)))


def known_json(series: Iterable[KnownSeries]) -> str:
    """The same for programs."""
    return json.dumps([asdict(known) for known in series], indent=2)


def _whole(row: Row) -> bool | None:
    return False if row.entry.problem else True if row.is_here else None


def _aligned(columns: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in columns]
    lines = zip(*columns, strict=True)
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _stage(name: str) -> int:
    named = parse_name(name)
    return named.stage if named else 0


def _counted_on(entry: Entry) -> bool:
    named = parse_name(entry.name)
    return named is not None and named.stage > 0 and named.step != entry.step
