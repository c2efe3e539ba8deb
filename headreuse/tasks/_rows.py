"""Rows of symbols of unequal lengths, filled from the left and then `BLANK`, as `Examples` has them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from headreuse.tasks.base import BLANK

DTYPE = np.int16
"""Of symbols and of totals of digits; small, since sums over all rows are what takes the time."""

Symbols = Int[np.ndarray, "example width"]


def cut(symbols: Symbols, n: Int[np.ndarray, "example"]) -> Symbols:
    """The first `n` of each row, then `BLANK`."""
    return np.where(np.arange(symbols.shape[1]) < n[:, None], symbols, DTYPE(BLANK))


def side_by_side(parts: Sequence[Symbols | int]) -> Symbols:
    """Each row's parts without the gaps between; a number stands for a column of that symbol."""
    n = next(len(part) for part in parts if isinstance(part, np.ndarray))
    columns = [part if isinstance(part, np.ndarray) else np.full((n, 1), part, dtype=DTYPE) for part in parts]
    symbols = np.concatenate(columns, axis=1)
    filled = symbols != BLANK
    n_filled = filled.sum(axis=1)
    whole = np.full((n, n_filled.max(initial=0)), BLANK, dtype=DTYPE)
    whole[np.arange(whole.shape[1]) < n_filled[:, None]] = symbols[filled]
    return whole
