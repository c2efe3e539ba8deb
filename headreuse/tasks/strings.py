"""Tasks on strings of letters: copy, reverse, swap the case, and swap the case while reversing."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from jaxtyping import Int

from headreuse.tasks._rows import Lengths, Symbols, cut, side_by_side
from headreuse.tasks.base import Examples, Task, task

LOWER = "abcdefghijklmnopqrstuvwxyz"


class StringTask(Task):
    """A string of letters in either case, then `=`; the answer is as long as the string.

    All tasks of the family draw the same prompts from the same generator.
    """

    coupled_ids: ClassVar[str | None] = "forward"

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The lower-case letters, the upper-case letters, `=`."""
        lower = LOWER[: self.alphabet_size]
        return (*lower, *lower.upper(), "=")

    def generate(self, lengths: Lengths, generator: np.random.Generator) -> Examples:
        """Strings that are drawn, and for each one that differs in a letter."""
        self.check_lengths(lengths)
        letters, corrupted = self.draw(lengths, generator)
        return Examples(
            self._prompt(letters, lengths),
            self._answer(letters, lengths),
            self._prompt(corrupted, lengths),
            self._answer(corrupted, lengths),
        )

    def draw(self, lengths: Lengths, generator: np.random.Generator) -> tuple[Symbols, Symbols]:
        """Uniform letters; in the corrupted partner one letter, at a random place, is replaced."""
        n_letters = 2 * self.alphabet_size
        example = np.arange(len(lengths))
        letters = generator.integers(n_letters, size=(len(lengths), lengths.max(initial=0)))
        corrupted = letters.copy()
        corrupted[example, generator.integers(lengths)] += generator.integers(1, n_letters, size=len(lengths))
        return letters, corrupted % n_letters

    def string(self, prompt: str) -> str:
        """The letters of a prompt; a `ValueError` says why a text is no prompt."""
        string, separator, rest = prompt.partition("=")
        if not string or not separator or rest:
            raise ValueError(f"{prompt!r} is not a prompt of {self.name}; give letters, then one '=', such as 'aBcD='")
        letters = self.alphabet[:-1]
        if wrong := [character for character in string if character not in letters]:
            last = LOWER[self.alphabet_size - 1]
            raise ValueError(
                f"{wrong[0]!r} in {prompt!r} is not a letter of {self.name}; use a–{last} and A–{last.upper()}"
            )
        return string

    @abstractmethod
    def rearrange(self, letters: Symbols, lengths: Lengths) -> Symbols:
        """The letters of the answers; letters after the length of a row are ignored."""

    def swap_case(self, letters: Symbols) -> Symbols:
        """Each letter in the other case."""
        return (letters + self.alphabet_size) % (2 * self.alphabet_size)

    def _prompt(self, letters: Symbols, lengths: Lengths) -> Int[np.ndarray, "example prompt_width"]:
        return side_by_side([cut(letters, lengths), self.alphabet.index("=")])

    def _answer(self, letters: Symbols, lengths: Lengths) -> Symbols:
        return cut(self.rearrange(letters, lengths), lengths)


def reversed_rows(letters: Symbols, lengths: Lengths) -> Symbols:
    """Each row's first `lengths` symbols in reverse order."""
    source = lengths[:, None] - 1 - np.arange(letters.shape[1])
    return np.take_along_axis(letters, np.maximum(source, 0), axis=1)


@task("copy")
class Copy(StringTask):
    """The string itself: `aBcD=` → `aBcD`."""

    def answer(self, prompt: str) -> str:
        """The string of the prompt."""
        return self.string(prompt)

    def rearrange(self, letters: Symbols, lengths: Lengths) -> Symbols:
        """The letters as they are."""
        return letters


@task("reverse")
class Reverse(StringTask):
    """The string backwards: `aBcD=` → `DcBa`."""

    coupled_ids = "mirrored"

    def answer(self, prompt: str) -> str:
        """The string of the prompt, last letter first."""
        return self.string(prompt)[::-1]

    def rearrange(self, letters: Symbols, lengths: Lengths) -> Symbols:
        """The letters, last first."""
        return reversed_rows(letters, lengths)


@task("capitalize")
class Capitalize(StringTask):
    """The string with the case of every letter swapped: `aBcD=` → `AbCd`."""

    def answer(self, prompt: str) -> str:
        """The string of the prompt with every letter in its other case."""
        return self.string(prompt).swapcase()

    def rearrange(self, letters: Symbols, lengths: Lengths) -> Symbols:
        """The letters in the other case."""
        return self.swap_case(letters)


@task("capitalize_reverse")
class CapitalizeReverse(StringTask):
    """The string with the case of every letter swapped, backwards: `aBcD=` → `dCbA`."""

    coupled_ids = "mirrored"

    def answer(self, prompt: str) -> str:
        """The string of the prompt with every letter in its other case, last letter first."""
        return self.string(prompt).swapcase()[::-1]

    def rearrange(self, letters: Symbols, lengths: Lengths) -> Symbols:
        """The letters in the other case, last first."""
        return reversed_rows(self.swap_case(letters), lengths)
