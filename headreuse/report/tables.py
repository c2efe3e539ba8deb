"""A frame as a sortable table of the page: short numbers, column by column."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from headreuse.figures.style import rounded


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    is_number: bool

    @property
    def label(self) -> str:
        """The heading."""
        return self.name.replace("_", " ")


@dataclass(frozen=True)
class Table:
    """A table that the page fills in when it is opened."""

    columns: tuple[Column, ...]
    values: tuple[list[Any], ...]
    """One list per column; None where undefined."""
    caption: str = ""

    def __len__(self) -> int:
        return len(self.values[0]) if self.values else 0

    def to_json(self) -> dict[str, Any]:
        """What the page's script reads: names, which are numbers, values."""
        return {
            "names": [column.name for column in self.columns],
            "numbers": [column.is_number for column in self.columns],
            "values": list(self.values),
        }


def table(frame: pd.DataFrame, columns: Sequence[str] = (), *, caption: str = "") -> Table:
    """The named columns that the frame has (all of them by default), with 4 significant digits.

    A column that is undefined in every row is left out.
    """
    names = [name for name in (columns or frame.columns) if name in frame and frame[name].notna().any()]
    kinds = [types.is_numeric_dtype(frame[name]) and not types.is_bool_dtype(frame[name]) for name in names]
    values = [_values(frame[name], is_number) for name, is_number in zip(names, kinds, strict=True)]
    return Table(tuple(Column(name, kind) for name, kind in zip(names, kinds, strict=True)), tuple(values), caption)


def _values(column: pd.Series, is_number: bool) -> list[Any]:
    if types.is_integer_dtype(column):
        return [int(value) for value in column]
    if is_number:
        return rounded(column.to_numpy(dtype=float, na_value=np.nan))
    if types.is_bool_dtype(column):
        return ["yes" if value else "no" for value in column]
    return [None if pd.isna(value) else str(value) for value in column]
