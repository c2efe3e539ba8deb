"""Strings with pieces that occur in them once, drawn with all rows at once."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from headreuse.tasks._rows import DTYPE, Symbols, cut

LETTERS_PER_QUERY = 4
"""A string is asked about once for so many of its letters, and at least once."""
PIECES_PER_LETTER = 2
"""Queries have the least length at which there are so many different pieces for each letter of the string."""
MAX_ROUNDS = 1000

Lengths = Int[np.ndarray, "example"]
Codes = Int[np.ndarray, "example place"]
Places = Bool[np.ndarray, "example place"]


@dataclass(frozen=True)
class Asked:
    """Strings of these lengths, a partner of each, and the pieces that are asked for."""

    lengths: Lengths
    n_queries: Lengths
    query_length: Lengths
    letters: Symbols
    """Of no account past a string's length, like `corrupted`."""
    corrupted: Symbols
    """One letter is another: one that comes after a query and is part of none."""
    starts: Int[np.ndarray, "example query"]
    """Where in the strings the queries begin; of no account past their number."""

    def pieces(self, letters: Symbols, longer: int) -> list[Symbols]:
        """For each query the letters in its place and so many `longer`; `BLANK` where a string has fewer queries."""
        place = np.arange(self.query_length.max(initial=0) + longer)
        found = []
        for query in range(self.starts.shape[1]):
            index = np.minimum(self.starts[:, query, None] + place, letters.shape[1] - 1)
            n = np.where(query < self.n_queries, self.query_length + longer, 0)
            found.append(cut(np.take_along_axis(letters, index, axis=1), n))
        return found


def draw_asked(lengths: Lengths, n_letters: int, generator: np.random.Generator) -> Asked:
    """Uniform letters, drawn anew until enough pieces occur once and a letter after one of them can be changed."""
    n, width, n_queries = len(lengths), lengths.max(initial=0), np.maximum(lengths // LETTERS_PER_QUERY, 1)
    query_length = _query_length(lengths, n_letters)
    letters, corrupted = np.zeros((2, n, width), dtype=DTYPE)
    starts = np.zeros((n, n_queries.max(initial=0)), dtype=np.int64)
    left = np.arange(n)
    for _ in range(MAX_ROUNDS):
        if not len(left):
            return Asked(lengths, n_queries, query_length, letters, corrupted, starts)
        string = generator.integers(n_letters, size=(len(left), width), dtype=DTYPE)
        codes = _codes(string, lengths[left], query_length[left], n_letters)
        followed = np.arange(width) < (lengths - query_length)[left, None]
        once = _occurs_once(codes) & followed
        begins = _some(once, generator)[:, : starts.shape[1]]
        asked = Asked(lengths[left], n_queries[left], query_length[left], string, string, begins)
        other = _with_a_letter_changed(asked, n_letters, generator)
        still = _occurs_once(_codes(other, asked.lengths, asked.query_length, n_letters))
        real = np.arange(begins.shape[1]) < asked.n_queries[:, None]
        right = (once.sum(axis=1) >= asked.n_queries) & (np.take_along_axis(still, begins, axis=1) | ~real).all(axis=1)
        letters[left[right]], corrupted[left[right]], starts[left[right]] = string[right], other[right], begins[right]
        left = left[~right]
    raise ValueError(f"no string of {lengths[left[0]]} out of {n_letters} letters was found whose pieces occur once")


def _query_length(lengths: Lengths, n_letters: int) -> Lengths:
    needed = PIECES_PER_LETTER * lengths
    query_length = np.ones_like(lengths)
    while (short := float(n_letters) ** query_length < needed).any():
        query_length += short
    return query_length


def _codes(letters: Symbols, lengths: Lengths, query_length: Lengths, n_letters: int) -> Codes:
    """A number for the piece that begins at each place, the same for the same piece; below 0 where there is none."""
    width = letters.shape[1]
    codes = np.zeros(letters.shape, dtype=np.int64)
    for later in range(query_length.max(initial=0)):
        ahead = np.zeros_like(letters)
        ahead[:, : width - later] = letters[:, later:]
        codes = np.where(later < query_length[:, None], codes * n_letters + ahead, codes)
    place = np.arange(width)
    return np.where(place <= (lengths - query_length)[:, None], codes, -1 - place)


def _occurs_once(codes: Codes) -> Places:
    """Where a row has a number that is nowhere else in it."""
    order = np.argsort(codes, axis=1)
    ordered = np.take_along_axis(codes, order, axis=1)
    alike = ordered[:, 1:] == ordered[:, :-1]
    alone = np.ones(codes.shape, dtype=bool)
    alone[:, 1:] &= ~alike
    alone[:, :-1] &= ~alike
    once = np.empty_like(alone)
    np.put_along_axis(once, order, alone, axis=1)
    return once


def _some(places: Places, generator: np.random.Generator) -> Int[np.ndarray, "example place"]:
    """The true places of each row in random order, then the others."""
    return np.argsort(np.where(places, generator.random(places.shape), 1.0), axis=1)


def _with_a_letter_changed(asked: Asked, n_letters: int, generator: np.random.Generator) -> Symbols:
    """The strings with another letter after one of their queries; it is part of none, as the last one's never is."""
    example, query = np.nonzero(np.arange(asked.starts.shape[1]) < asked.n_queries[:, None])
    width = asked.letters.shape[1]
    begin, length = asked.starts[example, query], asked.query_length[example]
    after = np.zeros(asked.letters.shape, dtype=bool)
    after[example, np.minimum(begin + length, width - 1)] = True
    for place in range(asked.query_length.max(initial=0)):
        inside = place < length
        after[example[inside], np.minimum(begin[inside] + place, width - 1)] = False
    chosen = _some(after, generator)[:, 0]
    row = np.arange(len(asked.letters))
    changed = asked.letters.copy()
    changed[row, chosen] = (changed[row, chosen] + generator.integers(1, n_letters, size=len(row))) % n_letters
    return changed
