"""Several run folders seen as one: their tables together, with groups told apart by the folder they come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from headreuse.correlation.primary import chosen_groups
from headreuse.errors import HeadreuseError
from headreuse.store.folder import RunFolder
from headreuse.study.group import Group
from headreuse.study.primary import Primary
from headreuse.tables.base import TABLES, DerivedTable, Design, derive
from headreuse.tables.make import make_tables, stacked_frames, with_like_labels


@dataclass(frozen=True)
class Joined:
    """The tables of one or several run folders, and their groups under the names that the tables use."""

    folders: tuple[RunFolder, ...]
    labels: tuple[str, ...]
    """A name for each folder."""
    groups: tuple[Group, ...]
    tables: dict[str, pd.DataFrame]
    question: Primary
    """The first study's primary question, over the groups that any of them asks about."""


def join(paths: Sequence[Path]) -> Joined:
    """Run folders together; the same folder twice is refused, since its runs would count twice."""
    folders = tuple(RunFolder.open(path) for path in paths)
    if len({folder.root.resolve() for folder in folders}) < len(folders):
        raise HeadreuseError(f"{', '.join(map(str, paths))}: a folder is named twice; its runs would count twice")
    labels = tuple(_labels(folders))
    made = [make_tables(folder) for folder in folders]
    if len(folders) == 1:
        study = folders[0].study
        return Joined(folders, labels, study.groups, made[0], study.question)
    groups = tuple(
        group.model_copy(update={"name": f"{label}/{group.name}"})
        for folder, label in zip(folders, labels, strict=True)
        for group in folder.study.groups
    )
    question = _question(folders, labels)
    stacked = {
        name: stacked_frames([_labelled(tables[name], label) for tables, label in zip(made, labels, strict=True)])
        for name, table in TABLES.items()
        if not isinstance(table, DerivedTable)
    }
    tables = derive(with_like_labels(stacked), Design(groups, question))
    return Joined(folders, labels, groups, tables, question)


def _question(folders: Sequence[RunFolder], labels: Sequence[str]) -> Primary:
    """The question of the studies together: the first one's measures, and the groups that each study asks about."""
    studies = [folder.study for folder in folders]
    named = [
        f"{label}/{name}"
        for study, label in zip(studies, labels, strict=True)
        for name in chosen_groups(study.question, study.groups)
    ]
    asked = any(study.question.groups for study in studies)
    return studies[0].question.model_copy(update={"groups": tuple(named) if asked else ()})


def _labels(folders: Sequence[RunFolder]) -> list[str]:
    """A name for each folder: that of the folder, or with its parent's where two are called alike."""
    names = [folder.root.resolve().name for folder in folders]
    if len(set(names)) == len(names):
        return names
    return ["/".join(folder.root.resolve().parts[-2:]) for folder in folders]


def _labelled(table: pd.DataFrame, label: str) -> pd.DataFrame:
    return table.assign(group=label + "/" + table["group"]) if len(table) else table
