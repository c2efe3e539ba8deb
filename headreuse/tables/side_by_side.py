"""Two studies side by side: which of their settings differ, and how far what was measured at the end does."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from headreuse.errors import HeadreuseError
from headreuse.store.folder import RunFolder
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.primary import Primary
from headreuse.tables.arms import MEASURES, last_steps
from headreuse.tables.differences import Estimate, compare_seeds, compare_twins
from headreuse.tables.make import make_tables

LONGEST_SHOWN = 60
"""Characters of a setting; a longer one, such as a file that the study keeps, is told apart by its beginning."""


@dataclass(frozen=True)
class Differing:
    """A setting that two studies have otherwise; None where one has it not."""

    key: str
    a: str | None
    b: str | None


@dataclass(frozen=True)
class Measured:
    """One quantity of a group that both have, at each run's last step."""

    group: str
    quantity: str
    value_a: float
    value_b: float
    """Medians over runs."""
    n_a: int
    n_b: int
    is_paired: bool
    """Whether run by run: a seed starts from the same weights in both."""
    estimate: Estimate
    """`b` less `a`."""


@dataclass(frozen=True)
class SideBySide:
    """Two run folders."""

    settings: tuple[Differing, ...]
    measured: tuple[Measured, ...]
    in_one_alone: tuple[str, ...]
    """Groups whose name the other study has not, as `folder: group`."""


def side_by_side(a: RunFolder, b: RunFolder) -> SideBySide:
    """What differs between two run folders; groups are compared that have one name, or are the only ones."""
    if a.root.resolve() == b.root.resolve():
        raise HeadreuseError(f"{a.root}: the same folder twice; give two")
    tables = make_tables(a), make_tables(b)
    pairs = list(_pairs(a.study, b.study))
    rows = [
        row
        for one, other in pairs
        for row in _measured(tables, (one, other), a.study.question, alike=_start_alike(a.study, one, b.study, other))
    ]
    lonely = [
        f"{folder.root.name}: {group.name}"
        for place, folder in enumerate((a, b))
        for group in folder.study.groups
        if group not in [pair[place] for pair in pairs]
    ]
    return SideBySide(tuple(differing(a.study, b.study)), tuple(rows), tuple(lonely))


def differing(a: Study, b: Study) -> Iterator[Differing]:
    """The settings that are not the same, in the order of the first study; groups by their names."""
    of_a, of_b = (dict(_flat(_by_name(study.model_dump(mode="json")))) for study in (a, b))
    for key in dict.fromkeys([*of_a, *of_b]):
        if of_a.get(key) != of_b.get(key):
            yield Differing(key, of_a.get(key), of_b.get(key))


def _by_name(study: dict[str, Any]) -> dict[str, Any]:
    return study | {"groups": {group["name"]: group for group in study["groups"]}}


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every setting under its dotted key; lists are one setting each, what is not set is none."""
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from _flat(inside, f"{place}.{key}" if place else key)
    elif value is not None:
        text = json.dumps(value, ensure_ascii=False)
        yield place, text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({len(text):,} characters)"


def _pairs(a: Study, b: Study) -> Iterator[tuple[Group, Group]]:
    if len(a.groups) == len(b.groups) == 1:
        yield a.groups[0], b.groups[0]
        return
    by_name = {group.name: group for group in b.groups}
    yield from ((group, by_name[group.name]) for group in a.groups if group.name in by_name)


Tables = Mapping[str, pd.DataFrame]


def _measured(
    tables: tuple[Tables, Tables], pair: tuple[Group, Group], question: Primary, *, alike: bool
) -> Iterator[Measured]:
    """Transfer, and the likeness that the first study asks about, of main with each auxiliary that both have."""
    values = [_of_group(of_study, group, question) for of_study, group in zip(tables, pair, strict=True)]
    for quantity in values[0]:
        if quantity not in values[1]:
            continue
        of_a, of_b = (found[quantity].dropna() for found in values)
        if alike:
            both = of_a.index.intersection(of_b.index)
            of_a, of_b = of_a[both], of_b[both]
        if len(of_a) and len(of_b):
            found = compare_twins(of_b, of_a) if alike else compare_seeds(of_b, of_a, paired=False)
            medians = float(of_a.median()), float(of_b.median())
            yield Measured(pair[0].name, quantity, *medians, len(of_a), len(of_b), alike, found)


def _start_alike(study_a: Study, a: Group, study_b: Study, b: Group) -> bool:
    """Whether a seed draws the same initial weights for both, for the same tokens."""
    if not (a.is_trained_here and b.is_trained_here) or a.twins != b.twins or a.task_names != b.task_names:
        return False
    sizes = [(study.alphabet_size, study.grid_size) for study in (study_a, study_b)]
    return sizes[0] == sizes[1] and study_a.model_of(a) == study_b.model_of(b)


def _of_group(tables: Tables, group: Group, question: Primary) -> dict[str, pd.Series]:
    """Each quantity by run."""
    found = {}
    transfer = last_steps(tables["transfer"])
    if group.name in transfer.index.get_level_values("group"):
        own = transfer.xs(group.name, level="group")
        found = {measure: own[measure].astype(float) for measure in MEASURES}
    overlap = tables["overlap"]
    asked = {"metric": question.overlap, "method": question.method, "outcome": question.outcome}
    for column, value in ({"group": group.name} | {name: value for name, value in asked.items() if value}).items():
        overlap = overlap[overlap[column] == value]
    overlap = overlap[overlap["usable"].astype(bool)] if len(overlap) else overlap
    for (one, other), rows in overlap.groupby(["task_a", "task_b"]):
        if group.main.task in (one, other):
            last = rows.loc[rows.groupby("seed")["step"].idxmax()]
            found[f"{question.overlap} of {one} and {other}"] = last.set_index("seed")["value"].astype(float)
    return found
