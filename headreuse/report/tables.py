"""A frame as a sortable table of the page, stored column by column with short numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from headreuse.figures.style import rounded

LONG = 40
"""A longer text is broken into lines."""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    is_number: bool
    is_long: bool = False
    """Whether it holds sentences, which are broken into lines."""

    @property
    def label(self) -> str:
        """The heading; runs that have names are no seeds."""
        return "run" if self.name == "seed" and not self.is_number else self.name.replace("_", " ")


@dataclass(frozen=True)
class Table:
    """A table that the page fills in when it is opened."""

    columns: tuple[Column, ...]
    values: tuple[list[Any], ...]
    """One list per column; None where undefined."""
    title: str = "Numbers"
    caption: str = ""
    is_open: bool = False
    """Whether it is shown before it is asked for."""

    def __len__(self) -> int:
        return len(self.values[0]) if self.values else 0

    def to_json(self) -> dict[str, Any]:
        """What the page's script reads: names, which are numbers, values."""
        return {
            "names": [column.name for column in self.columns],
            "styles": ["number" if column.is_number else "long" if column.is_long else "" for column in self.columns],
            "values": [
                values if column.is_number else _coded(values)
                for column, values in zip(self.columns, self.values, strict=True)
            ],
        }


def _coded(values: list[Any]) -> dict[str, list[Any]]:
    """Each text once, and its number in each row, since names repeat thousands of times."""
    texts = {text: code for code, text in enumerate(dict.fromkeys(values))}
    return {"texts": list(texts), "codes": [texts[text] for text in values]}


def table(frame: pd.DataFrame, columns: Sequence[str] = (), **more: Any) -> Table:
    """The named columns that the frame has (all of them by default), with 4 significant digits.

    A column that is undefined in every row is left out. `more` goes to `Table`.
    """
    names = [name for name in (columns or frame.columns) if name in frame and frame[name].notna().any()]
    kinds = [types.is_numeric_dtype(frame[name]) and not types.is_bool_dtype(frame[name]) for name in names]
    values = [_values(frame[name], is_number) for name, is_number in zip(names, kinds, strict=True)]
    shapes = [
        Column(name, kind, not kind and _is_long(held)) for name, kind, held in zip(names, kinds, values, strict=True)
    ]
    return Table(tuple(shapes), tuple(values), **more)


def _is_long(values: list[Any]) -> bool:
    return any(value is not None and len(value) > LONG for value in set(values))


def _values(column: pd.Series, is_number: bool) -> list[Any]:
    if types.is_integer_dtype(column):
        return [int(value) for value in column]
    if is_number:
        return rounded(column.to_numpy(dtype=float, na_value=np.nan))
    if types.is_bool_dtype(column):
        return ["yes" if value else "no" for value in column]
    # Iterating over a column of pandas' own strings is ten times as slow.
    return [None if pd.isna(value) else str(value) for value in column.to_numpy(dtype=object)]
