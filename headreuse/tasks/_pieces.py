"""Strings with pieces that occur in them exactly once, drawn for all rows at once."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from headreuse.tasks._rows import DTYPE, Lengths, Symbols, cut

PIECES_PER_LETTER = 2
"""Queries are just long enough for so many different pieces per letter of the string."""
MAX_ROUNDS = 1000
"""Draws after which the lengths asked for are taken to have no such strings."""

Codes = Int[np.ndarray, "example width"]
Places = Bool[np.ndarray, "example width"]


@dataclass(frozen=True)
class Asked:
    """Strings of the given lengths, a corrupted partner of each, and their queries."""

    lengths: Lengths
    n_queries: Lengths
    query_length: Lengths
    letters: Symbols
    """What stands after a string's length is ignored, as in `corrupted`."""
    corrupted: Symbols
    """One letter is replaced: a letter right after a query that is part of no query."""
    starts: Int[np.ndarray, "example query"]
    """Where in the strings the queries begin; entries after the number of queries are ignored."""

    def pieces(self, letters: Symbols, n_more: int) -> list[Int[np.ndarray, "example piece"]]:
        """For each query the letters at its place and `n_more` after it; `BLANK` where a string has fewer queries."""
        place = np.arange(self.query_length.max(initial=0) + n_more)
        found = []
        for query in range(self.starts.shape[1]):
            index = np.minimum(self.starts[:, query, None] + place, letters.shape[1] - 1)
            n = np.where(query < self.n_queries, self.query_length + n_more, 0)
            found.append(cut(np.take_along_axis(letters, index, axis=1), n))
        return found


def draw_asked(lengths: Lengths, n_letters: int, generator: np.random.Generator, *, letters_per_query: int) -> Asked:
    """Uniform letters, drawn again until enough pieces occur once, in the string and in its corrupted partner.

    Enough is one for every `letters_per_query` letters of a string, and at least one.
    """
    # Each round draws whole candidates for the rows that are left: string, queries and partner. A candidate is kept if
    # at least `n_queries` of the string's pieces occur once and have a letter after them, and if the chosen queries
    # occur once in the partner, too: its replaced letter can make another piece equal to a query. Because whole
    # candidates are rejected, those that are kept are as likely, relative to each other, as when they are drawn.
    n, width, n_queries = len(lengths), lengths.max(initial=0), np.maximum(lengths // letters_per_query, 1)
    query_length = _query_length(lengths, n_letters)
    letters, corrupted = np.zeros((2, n, width), dtype=DTYPE)
    starts = np.zeros((n, n_queries.max(initial=0)), dtype=np.int64)
    left = np.arange(n)
    for _ in range(MAX_ROUNDS):
        if not len(left):
            return Asked(lengths, n_queries, query_length, letters, corrupted, starts)
        strings = generator.integers(n_letters, size=(len(left), width), dtype=DTYPE)
        codes = _codes(strings, lengths[left], query_length[left], n_letters)
        has_next = np.arange(width) < (lengths - query_length)[left, None]
        once = _occurs_once(codes) & has_next
        begins = _some(once, generator)[:, : starts.shape[1]]
        asked = Asked(lengths[left], n_queries[left], query_length[left], strings, strings, begins)
        others = _with_a_letter_changed(asked, n_letters, generator)
        still_once = _occurs_once(_codes(others, asked.lengths, asked.query_length, n_letters))
        unused = np.arange(begins.shape[1]) >= asked.n_queries[:, None]
        kept = once.sum(axis=1) >= asked.n_queries
        kept &= (np.take_along_axis(still_once, begins, axis=1) | unused).all(axis=1)
        letters[left[kept]], corrupted[left[kept]], starts[left[kept]] = strings[kept], others[kept], begins[kept]
        left = left[~kept]
    raise ValueError(
        f"no string of length {lengths[left[0]]} with enough pieces that occur once was found in {MAX_ROUNDS:,} draws "
        f"from {n_letters} letters; use a larger alphabet"
    )


def _query_length(lengths: Lengths, n_letters: int) -> Lengths:
    """The smallest query length at which there are `PIECES_PER_LETTER` different pieces for each letter."""
    needed = PIECES_PER_LETTER * lengths
    query_length = np.ones_like(lengths)
    while (short := float(n_letters) ** query_length < needed).any():
        query_length += short
    return query_length


def _codes(letters: Symbols, lengths: Lengths, query_length: Lengths, n_letters: int) -> Codes:
    """A number for the piece that begins at each place: equal for equal pieces, and a unique negative one for none."""
    width = letters.shape[1]
    codes = np.zeros(letters.shape, dtype=np.int64)
    for later in range(query_length.max(initial=0)):
        ahead = np.zeros_like(letters)
        ahead[:, : width - later] = letters[:, later:]
        codes = np.where(later < query_length[:, None], codes * n_letters + ahead, codes)
    place = np.arange(width)
    return np.where(place <= (lengths - query_length)[:, None], codes, -1 - place)


def _occurs_once(codes: Codes) -> Places:
    """Where a row has a number that occurs nowhere else in the row."""
    order = np.argsort(codes, axis=1)
    ordered = np.take_along_axis(codes, order, axis=1)
    alike = ordered[:, 1:] == ordered[:, :-1]
    alone = np.ones(codes.shape, dtype=bool)
    alone[:, 1:] &= ~alike
    alone[:, :-1] &= ~alike
    once = np.empty_like(alone)
    np.put_along_axis(once, order, alone, axis=1)
    return once


def _some(places: Places, generator: np.random.Generator) -> Int[np.ndarray, "example width"]:
    """The indices of the true places of each row in random order, then those of the others."""
    return np.argsort(np.where(places, generator.random(places.shape), 1.0), axis=1)


def _with_a_letter_changed(asked: Asked, n_letters: int, generator: np.random.Generator) -> Symbols:
    """The strings with one letter replaced: a letter right after a query that is part of no query."""
    # There always is such a letter: the one after the rightmost query.
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
