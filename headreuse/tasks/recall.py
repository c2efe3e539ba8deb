"""Associative recall: which letter comes after a piece of a string?

The queries are part of the prompt, so that the prompt alone says what is asked. In the answer each query is repeated
right before its letter, so that the letter is predicted where the query ends: `aBcDcAeB|D|A=DcAe`. Only the letters
after the queries are scored.

MQAR is the multi-query associative recall of Arora et al. 2023, "Zoology" (arXiv 2312.04927).
"""

import re

import numpy as np
from jaxtyping import Int

from headreuse.tasks._pieces import Asked, draw_asked
from headreuse.tasks._rows import DTYPE, Lengths, Symbols, cut, side_by_side
from headreuse.tasks.base import Examples, Task, task
from headreuse.tasks.strings import LOWER


@task("mqar")
class Recall(Task):
    """The letter after each query in the string: `aBcDcAeB|D|A=` → `ce` (after `D` comes `c`, after `A` comes `e`).

    A query is a piece of the string that occurs in it once, and not at its end. A string of n letters has n // 4
    queries, at least one, in random order. They are as short as possible with 2n different pieces to choose from, so
    that most pieces occur once. All prompts of one length have the same layout.
    """

    min_length = 2
    letters_per_query = 4
    """A string has one query for every so many letters, and at least one."""
    separators = frozenset("=|")

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The lower-case letters, the upper-case letters, `=`, `|`."""
        lower = LOWER[: self.alphabet_size]
        return (*lower, *lower.upper(), "=", "|")

    def answer(self, prompt: str) -> str:
        """The letter after each query."""
        string, *queries = self.string_and_queries(prompt)
        return "".join(_letter_after(query, string) for query in queries)

    def string_and_queries(self, prompt: str) -> list[str]:
        """The string and the queries of a prompt; a `ValueError` says why a text is no prompt."""
        last = LOWER[self.alphabet_size - 1]
        letter = f"[a-{last}A-{last.upper()}]"
        if re.fullmatch(rf"{letter}+(\|{letter}+)+=", prompt) is None:
            raise ValueError(
                f"{prompt!r} is not a prompt of {self.name}; give letters a–{last} and A–{last.upper()}, then queries, "
                f"each after a '|', then '=', such as 'aBbA|B='"
            )
        return prompt[:-1].split("|")

    def generate(self, lengths: Lengths, generator: np.random.Generator) -> Examples:
        """Uniform letters; in the corrupted partner the letter after one of the queries is replaced.

        Every query occurs once in the partner, too; strings for which this fails are drawn again.
        """
        self.check_lengths(lengths)
        asked = draw_asked(lengths, 2 * self.alphabet_size, generator, letters_per_query=self.letters_per_query)
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

    def _prompts(self, asked: Asked, letters: Symbols) -> Int[np.ndarray, "example prompt_width"]:
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
        raise ValueError(f"no letter comes after {query!r} in {string!r}; ask for a piece that is not at its end")
    return string[starts[0] + len(query)]
