"""The figures of a report by names that can be typed: `ablation-GROUP` of one group, `correlation` of all together."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from headreuse.errors import HeadreuseError, nearest
from headreuse.report.exhibits import Exhibit
from headreuse.report.inputs import ReportInputs
from headreuse.report.overview import overview
from headreuse.report.sections import Section, sections_of
from headreuse.study.group import Group

BY_STEP = ("accuracy", "head_scores", "overlap")
"""Tables of which one checkpoint of each run is enough to see which figures there are."""

MOST_NAMED = 12


def _glance(inputs: ReportInputs) -> Iterator[Exhibit]:
    found = overview(inputs)
    return iter([found] if found else [])


AT_A_GLANCE = Section("overview", "", "How far does main reach, and how alike are its heads?", "", _glance)
"""The picture at the top of a page, which belongs to no section of it."""


@dataclass(frozen=True)
class Entry:
    """One figure of a report."""

    name: str
    shows: str
    """In one line."""
    section: Section
    id: str
    group: Group | None
    """None where it is of all groups."""


def entries(inputs: ReportInputs) -> Iterator[Entry]:
    """The figures of a report in its order; one that belongs to a group is named after it."""
    few = _at_the_end(inputs)
    for section in [AT_A_GLANCE, *sections_of(inputs.study)]:
        for exhibit in section.build(few):
            if exhibit.figure is not None:
                yield _entry(inputs, section, exhibit)


def exhibit_named(inputs: ReportInputs, name: str) -> Exhibit:
    """The exhibit of that name, or of the first part of its name where one group alone has such a figure.

    Raises `HeadreuseError` for any other name.
    """
    found = _entry_named(entries(inputs), name)
    own = inputs if found.group is None else _of_group(inputs, found.group)
    return next(exhibit for exhibit in found.section.build(own) if exhibit.id == found.id)


def _entry_named(found: Iterator[Entry], name: str) -> Entry:
    known: list[Entry] = []
    for entry in found:
        if entry.name == name:
            return entry
        known.append(entry)
    meant = [entry for entry in known if entry.group is not None and _kind(entry) == name]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise HeadreuseError(f"{name!r} may be {' or '.join(entry.name for entry in meant)}; give one of these")
    names = [entry.name for entry in known]
    kinds = list(dict.fromkeys(_kind(entry) for entry in known if entry.group is not None))
    shown = ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
    raise HeadreuseError(
        f"no figure {name!r}{nearest(name, [*kinds, *names])}; choose from: {shown or 'none yet'} "
        "(all are listed where no name is given)"
    )


def _entry(inputs: ReportInputs, section: Section, exhibit: Exhibit) -> Entry:
    kind, _, number = exhibit.id.rpartition("-")
    group = inputs.study.groups[int(number)] if number.isdigit() else None
    name = f"{kind}-{group.name}" if group is not None else exhibit.id
    return Entry(name, section.title, section, exhibit.id, group)


def _kind(entry: Entry) -> str:
    return entry.id.rpartition("-")[0]


def _at_the_end(inputs: ReportInputs) -> ReportInputs:
    """With the last checkpoint of each run alone, since figures of hundreds of checkpoints take their time."""
    tables = {name: getattr(inputs, name) for name in BY_STEP}
    last: dict[str, Any] = {
        name: table[table["step"] == table.groupby(["group", "seed"])["step"].transform("max")]
        for name, table in tables.items()
        if len(table)
    }
    return replace(inputs, **last)


def _of_group(inputs: ReportInputs, group: Group) -> ReportInputs:
    """With the rows of one group alone in the largest tables."""
    rows: dict[str, Any] = {name: inputs.of_group(name, group) for name in BY_STEP}
    return replace(inputs, **rows)
