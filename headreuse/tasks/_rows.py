"""Rows of symbols of unequal lengths, filled from the left and then `BLANK`, as `Examples` has them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from headreuse.tasks.base import BLANK

DTYPE = np.int16
"""Type of symbols and of sums of digits: small, because passing over all rows is what takes the time."""

Symbols = Int[np.ndarray, "example width"]
Lengths = Int[np.ndarray, "example"]


def cut(symbols: Symbols, n: Lengths) -> Symbols:
    """The first `n` symbols of each row, then `BLANK`."""
    return np.where(np.arange(symbols.shape[1]) < n[:, None], symbols, DTYPE(BLANK))


def side_by_side(parts: Sequence[Int[np.ndarray, "example _width"] | int]) -> Symbols:
    """Each row's parts in order, without the blanks between them; a number stands for a column of that symbol."""
    n = next(len(part) for part in parts if isinstance(part, np.ndarray))
    columns = [part if isinstance(part, np.ndarray) else np.full((n, 1), part, dtype=DTYPE) for part in parts]
    symbols = np.concatenate(columns, axis=1)
    filled = symbols != BLANK
    n_filled = filled.sum(axis=1)
    whole = np.full((n, n_filled.max(initial=0)), BLANK, dtype=DTYPE)
    # Both masks select row by row, from left to right, and as many in each row: so every symbol stays in its row.
    whole[np.arange(whole.shape[1]) < n_filled[:, None]] = symbols[filled]
    return whole
