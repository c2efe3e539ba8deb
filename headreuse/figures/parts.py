"""A table cut into the parts that the views of a figure show."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from headreuse.figures.style import rounded
from headreuse.figures.views import Key

Part = dict[str, list[Any]]
"""The columns of some rows."""


def parts_by(rows: pd.DataFrame, by: Sequence[str], *, digits: Mapping[str, int]) -> dict[Key, Part]:
    """The rows of each combination of values of `by`, as text, in their order.

    Args:
        rows: of a table.
        by: names of columns.
        digits: of the columns to round, with None where not finite; the others stay as they are.

    Cut and rounded in one pass: filtering a table for each of thousands of views would be slow.
    """
    columns = {
        str(name): rounded(rows[name], digits[str(name)]) if name in digits else rows[name].tolist() for name in rows
    }
    keys: Iterator[Key] = zip(*(map(str, columns[name]) for name in by), strict=True)
    places: dict[Key, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return {
        key: {name: [values[place] for place in where] for name, values in columns.items()}
        for key, where in places.items()
    }
