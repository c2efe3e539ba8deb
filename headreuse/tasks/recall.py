"""Associative recall: which letter comes after a piece of a string?

The queries stand in the prompt, so that it says by itself what is asked. In the sequence each stands again, right
before its letter, so that the letter is predicted where the query ends: `aBcDcAeB|D|A=DcAe`. Only letters are scored.
"""

import re

import numpy as np
from jaxtyping import Int

from headreuse.tasks._pieces import Asked, draw_asked
from headreuse.tasks._rows import DTYPE, Symbols, cut, side_by_side
from headreuse.tasks.base import Examples, Task, task
from headreuse.tasks.strings import LOWER


@task("mqar")
class Recall(Task):
    """The letter after each query in the string: `aBcDcAeB|D|A=` → `ce` (after `D` comes `c`, after `A` comes `e`).

    A query is a piece of the string that occurs in it once, and not at its end. A string of n letters has n // 4
    queries, at least one, in random order. All have the least length at which there are 2n different pieces, so that
    most occur once, and all prompts of one length have one layout. Only the letters after the queries are scored.
    """

    min_length = 2
    separators = frozenset("=|")

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The lower-case letters, the upper-case letters, `=`, `|`."""
        lower = LOWER[: self.alphabet_size]
        return (*lower, *lower.upper(), "=", "|")

    def answer(self, prompt: str) -> str:
        """What follows each query's one occurrence."""
        string, *queries = self.string_and_queries(prompt)
        return "".join(_letter_after(query, string) for query in queries)

    def string_and_queries(self, prompt: str) -> list[str]:
        """The parts of a prompt's text, or a `ValueError` that says why it is none."""
        last = LOWER[self.alphabet_size - 1]
        letter = f"[a-{last}A-{last.upper()}]"
        if re.fullmatch(rf"{letter}+(\|{letter}+)+=", prompt) is None:
            raise ValueError(
                f"{prompt!r} is no prompt of {self.name}; give letters a–{last} and A–{last.upper()}, then queries, "
                f"each after a '|', then '=', such as 'aBbA|B='"
            )
        return prompt[:-1].split("|")

    def generate(self, lengths: Int[np.ndarray, "example"], generator: np.random.Generator) -> Examples:
        """Uniform letters; in the corrupted partner the letter after one of the queries is another.

        Every query occurs once in the partner, too. Strings in which that cannot be had are drawn anew.
        """
        self.check_lengths(lengths)
        asked = draw_asked(lengths, 2 * self.alphabet_size, generator)
        pair = asked.query_length + 1
        place = np.arange((asked.n_queries * pair).max(initial=0))
        in_answer = place < (asked.n_queries * pair)[:, None]
        return Examples(
            self._prompts(asked, asked.letters),
            side_by_side(asked.pieces(asked.letters, 1)),
            self._prompts(asked, asked.corrupted),
            side_by_side(asked.pieces(asked.corrupted, 1)),
            scored=in_answer & (place % pair[:, None] == asked.query_length[:, None]),
        )

    def _prompts(self, asked: Asked, letters: Symbols) -> Symbols:
        bar, equals = self.alphabet.index("|"), self.alphabet.index("=")
        column = np.full((len(letters), 1), bar, dtype=DTYPE)
        queries = [
            part
            for index, query in enumerate(asked.pieces(letters, 0))
            for part in (cut(column, (index < asked.n_queries).astype(int)), query)
        ]
        return side_by_side([cut(letters, asked.lengths), *queries, equals])


def _letter_after(query: str, string: str) -> str:
    starts = [start for start in range(len(string)) if string.startswith(query, start)]
    if len(starts) != 1:
        raise ValueError(f"{query!r} occurs {len(starts)} times in {string!r}; ask for a piece that occurs once")
    if string.endswith(query):
        raise ValueError(f"nothing comes after {query!r} in {string!r}; ask for a piece that is not its end")
    return string[starts[0] + len(query)]
