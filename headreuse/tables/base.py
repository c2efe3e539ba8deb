"""What a table is, and how one is added: a function under one of three decorators in a file of this room.

- `@checkpoint_table`: rows of one measured checkpoint; the columns group, seed and step are put in front.
- `@study_table`: rows of a whole run folder.
- `@derived_table`: from other tables and the groups. For several run folders it is derived anew; others are stacked.

Each says what its columns mean, in their order; `columns.py` has the words for those that several tables have.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from headreuse.registry import Registry
from headreuse.study.group import Group
from headreuse.study.primary import Primary
from headreuse.tables.columns import PLACE, Columns
from headreuse.tables.results import MeasuredCheckpoint, Results

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Design:
    """What derived tables need to know of a study, or of several together."""

    groups: Sequence[Group]
    """Under the names that the tables use."""
    primary: Primary
    """The question that is tested; everything else is exploratory."""


@dataclass(frozen=True)
class CheckpointTable:
    """Its rows come checkpoint by checkpoint."""

    name: str
    version: int
    """In the key of what the tables were made from: raise it when the same measurements would give other rows."""
    columns: Columns
    """What each column means."""
    rows: Callable[[MeasuredCheckpoint], pd.DataFrame]


@dataclass(frozen=True)
class StudyTable:
    """Its rows come from the run folder as a whole."""

    name: str
    version: int
    columns: Columns
    make: Callable[[Results], pd.DataFrame]


@dataclass(frozen=True)
class DerivedTable:
    """It follows from other tables."""

    name: str
    version: int
    columns: Columns
    of: tuple[str, ...]
    derive: Callable[[Tables, Design], pd.DataFrame]


Table = CheckpointTable | StudyTable | DerivedTable

TABLES: Registry[Table] = Registry("table", room="headreuse.tables")

Rows = Callable[[MeasuredCheckpoint], pd.DataFrame]
Make = Callable[[Results], pd.DataFrame]
Derive = Callable[[Tables, Design], pd.DataFrame]


def checkpoint_table(name: str, *, version: int, columns: Columns) -> Callable[[Rows], Rows]:
    """Register a function of a measured checkpoint as a table; `columns` are those that it gives itself."""

    def register(rows: Rows) -> Rows:
        TABLES.add(name, CheckpointTable(name, version, PLACE | columns, rows))
        return rows

    return register


def study_table(name: str, *, version: int, columns: Columns) -> Callable[[Make], Make]:
    """Register a function of a run folder's results as a table."""

    def register(make: Make) -> Make:
        TABLES.add(name, StudyTable(name, version, columns, make))
        return make

    return register


def derived_table(name: str, *, of: tuple[str, ...], version: int, columns: Columns) -> Callable[[Derive], Derive]:
    """Register a function of the tables `of` and the design as a table."""

    def register(derive: Derive) -> Derive:
        TABLES.add(name, DerivedTable(name, version, columns, of, derive))
        return derive

    return register


def derive(tables: Tables, design: Design) -> dict[str, pd.DataFrame]:
    """The tables with those that follow from them."""
    found = dict(tables)
    waiting = [table for table in TABLES.values() if isinstance(table, DerivedTable)]
    while waiting:
        ready = [table for table in waiting if found.keys() >= set(table.of)]
        assert ready, f"tables wait for each other: {[table.name for table in waiting]}"
        for table in ready:
            found[table.name] = table.derive(found, design)
        waiting = [table for table in waiting if table.name not in found]
    return found
