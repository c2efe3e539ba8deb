"""Strings in which no letter occurs twice, put in order or backwards: the benchmarks of auxiliary-task theory.

Sorting and reversal of unique symbols are the tasks of Awasthi, Gupta and Kumar, "Length Generalization via Auxiliary
Tasks" (NeurIPS 2025), of which the summary alone is public. `restriction.py` has their auxiliaries.
"""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Int

from headreuse.tasks._rows import Lengths, Symbols, cut
from headreuse.tasks.base import BLANK, task
from headreuse.tasks.strings import StringTask

Places = Bool[np.ndarray, "example letter"]
Ranks = Int[np.ndarray, "example width"]
"""The place in the answer of each letter of a string, counted from 0; blanks come after all letters."""


class UniqueTask(StringTask):
    """A string of letters in either case, none of them twice, then `=`; the answer has the same letters in order.

    All tasks of the family draw the same prompts from the same generator.
    """

    coupled_ids: ClassVar[str | None] = None

    @property
    def max_length(self) -> int:
        """One less than there are letters, so that a corrupted partner has a letter that the string lacks."""
        return 2 * self.alphabet_size - 1

    def check_lengths(self, lengths: Lengths) -> None:
        """Raise for lengths below the shortest, or for which there are too few letters."""
        super().check_lengths(lengths)
        if len(lengths) and lengths.max() > self.max_length:
            raise ValueError(
                f"{self.name} has no examples of length {lengths.max()}; its longest have length {self.max_length}, as "
                f"no letter occurs twice and there are {2 * self.alphabet_size}: raise alphabet_size"
            )

    def draw(self, lengths: Lengths, generator: np.random.Generator) -> tuple[Symbols, Symbols]:
        """Uniform letters; in the corrupted partner one letter, at a random place, is one that the string lacks."""
        letters, lacking = draw_unique(lengths, 2 * self.alphabet_size, generator)
        corrupted = letters.copy()
        corrupted[np.arange(len(lengths)), generator.integers(lengths)] = lacking
        return letters, corrupted

    def string(self, prompt: str) -> str:
        """The letters of a prompt; a `ValueError` says why a text is no prompt."""
        string = super().string(prompt)
        if twice := [letter for letter in string if string.count(letter) > 1]:
            raise ValueError(f"{twice[0]!r} occurs twice in {prompt!r}; {self.name} takes each letter once")
        return string

    def rearrange(self, letters: Symbols, lengths: Lengths) -> Symbols:
        """The letters at their ranks."""
        return in_order(letters, self.ranks(cut(letters, lengths)))

    @abstractmethod
    def ranks(self, letters: Symbols) -> Ranks:
        """The place in the answer of each letter."""

    @abstractmethod
    def may_follow(self, last: Lengths) -> Places:
        """Which letters may stand later in an answer of which `last` was said last; `BLANK` where nothing was."""

    @abstractmethod
    def last_step(self, letters: Symbols) -> Lengths:
        """The last step of each answer at which another letter than the right one could stand, if the string had it.

        So it is at all earlier steps. Steps count from 0.
        """


@task("sort")
class Sort(UniqueTask):
    """The letters in the order of the alphabet, lower case before upper case: `dBac=` → `acdB`."""

    def answer(self, prompt: str) -> str:
        """The letters of the prompt, sorted."""
        return "".join(sorted(self.string(prompt), key=self.alphabet.index))

    def ranks(self, letters: Symbols) -> Ranks:
        """How many letters of the string come before each."""
        return ranked(letters)

    def may_follow(self, last: Lengths) -> Places:
        """The letters after the last one."""
        return np.arange(2 * self.alphabet_size) > last[:, None]

    def last_step(self, letters: Symbols) -> Lengths:
        """The one after all letters that come before the last letter that the string lacks."""
        largest = np.where(lacks(letters, 2 * self.alphabet_size), np.arange(2 * self.alphabet_size), BLANK).max(axis=1)
        before = ((letters != BLANK) & (letters < largest[:, None])).sum(axis=1)
        return np.minimum(before, (letters != BLANK).sum(axis=1) - 1)


@task("reverse_unique")
class ReverseUnique(UniqueTask):
    """The string backwards; no letter occurs twice: `aBcD=` → `DcBa`."""

    coupled_ids = "mirrored"

    def answer(self, prompt: str) -> str:
        """The string of the prompt, last letter first."""
        return self.string(prompt)[::-1]

    def ranks(self, letters: Symbols) -> Ranks:
        """How many letters of the string come after each."""
        place = np.arange(letters.shape[1])
        lengths = (letters != BLANK).sum(axis=1)[:, None]
        return np.where(place < lengths, lengths - 1 - place, place)

    def may_follow(self, last: Lengths) -> Places:
        """All of them: where a letter stands decides, not which it is."""
        return np.ones((len(last), 2 * self.alphabet_size), dtype=bool)

    def last_step(self, letters: Symbols) -> Lengths:
        """The last of all."""
        return (letters != BLANK).sum(axis=1) - 1


def draw_unique(lengths: Lengths, n_letters: int, generator: np.random.Generator) -> tuple[Symbols, Lengths]:
    """Uniform strings without repeats, and for each a uniform letter that it lacks."""
    shuffled = np.argsort(generator.random((len(lengths), n_letters)), axis=1)
    lacking = shuffled[np.arange(len(lengths)), lengths]
    return cut(shuffled[:, : lengths.max(initial=0)], lengths), lacking


def lacks(letters: Symbols, n_letters: int) -> Places:
    """Which letters of the alphabet a string has not."""
    lacking = np.ones((len(letters), n_letters), dtype=bool)
    example, place = np.nonzero(letters != BLANK)
    lacking[example, letters[example, place]] = False
    return lacking


def ranked(values: Int[np.ndarray, "example width"]) -> Ranks:
    """The rank of each value in its row, from 0; blanks come last."""
    last = np.iinfo(values.dtype).max
    return np.argsort(np.argsort(np.where(values == BLANK, last, values), axis=1, kind="stable"), axis=1)


def in_order(letters: Symbols, ranks: Ranks) -> Symbols:
    """The letters at their ranks."""
    ordered = np.empty_like(letters)
    np.put_along_axis(ordered, ranks, letters, axis=1)
    return ordered
