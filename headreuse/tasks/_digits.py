"""Pairs of numbers as rows of digits, least significant first, and what can be reckoned with all rows at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from headreuse.tasks._rows import DTYPE

GUESSES = 24
"""Changes of one digit that are tried at random before the examples that are left have all of theirs tried."""

Digits = Int[np.ndarray, "example digit"]


@dataclass(frozen=True)
class Operands:
    """The two numbers of each example, least significant digit first."""

    digits: Int[np.ndarray, "example 2 digit"]
    """Zeros past a number's own digits; wider by one than the longest number."""
    n_digits: Int[np.ndarray, "example 2"]

    def __len__(self) -> int:
        return len(self.digits)

    def __getitem__(self, rows: np.ndarray) -> "Operands":
        return Operands(self.digits[rows], self.n_digits[rows])

    @property
    def first(self) -> Digits:
        """The digits of the numbers before the operator."""
        return self.digits[:, 0]

    @property
    def second(self) -> Digits:
        """The digits of the numbers after the operator."""
        return self.digits[:, 1]

    @property
    def longest(self) -> Int[np.ndarray, "example"]:
        """Digits of the longer of the two."""
        return self.n_digits.max(axis=1)

    @property
    def changeable(self) -> Bool[np.ndarray, "example 2 digit 10"]:
        """Where another digit, as the last axis counts them, may stand so that both numbers keep their lengths."""
        place = np.arange(self.digits.shape[2])
        inside = place < self.n_digits[..., None]
        changeable = inside[..., None] & (self.digits[..., None] != np.arange(10))
        changeable[..., 0] &= place != self.n_digits[..., None] - 1
        return changeable

    def changed_anywhere(self, generator: np.random.Generator) -> "Operands":
        """One digit of each example, anywhere, is another, though no leading digit becomes 0."""
        example = np.arange(len(self))
        place = generator.integers(self.n_digits.sum(axis=1))
        operand = (place >= self.n_digits[:, 0]).astype(np.int64)
        place -= operand * self.n_digits[:, 0]
        digit = self.digits[example, operand, place]
        smallest = (place == self.n_digits[example, operand] - 1).astype(np.int64)
        step = generator.integers(1, 10 - smallest)
        digit = (digit - smallest + step) % (10 - smallest) + smallest
        return self.changed(example, operand, place, digit)

    def changed(self, example: np.ndarray, operand: np.ndarray, place: np.ndarray, digit: np.ndarray) -> "Operands":
        """These examples, in this order, each with one digit changed."""
        digits = self.digits[example]
        digits[np.arange(len(digits)), operand, place] = digit
        return Operands(digits, self.n_digits[example])


def draw_operands(n_digits: Int[np.ndarray, "example 2"], generator: np.random.Generator) -> Operands:
    """Uniform numbers of these many digits, the leading one from 1 to 9."""
    digits = generator.integers(10, size=(len(n_digits), 2, n_digits.max(initial=0) + 1), dtype=DTYPE)
    leading = generator.integers(1, 10, size=(len(n_digits), 2), dtype=DTYPE)
    np.put_along_axis(digits, n_digits[..., None] - 1, leading[..., None], axis=2)
    digits[np.arange(digits.shape[2]) >= n_digits[..., None]] = 0
    return Operands(digits, n_digits)


def partner(
    operands: Operands,
    works: Callable[[Operands, Int[np.ndarray, "change"]], Bool[np.ndarray, "change"]],
    generator: np.random.Generator,
) -> Operands:
    """The operands of each example with a digit changed, drawn anew until the change works.

    `works` is told changed operands and which example each was made from. Where no change works, as with 9 and 9 if a
    carry has to turn, the leading digit of the first number becomes 0.
    """
    digits = operands.digits.copy()
    left = np.arange(len(operands))
    for _ in range(GUESSES):
        if not len(left):
            return Operands(digits, operands.n_digits)
        guess = operands[left].changed_anywhere(generator)
        right = works(guess, left)
        digits[left[right]] = guess.digits[right]
        left = left[~right]
    of_left, *change = np.nonzero(operands[left].changeable)
    every = operands.changed(left[of_left], *change)
    working = generator.permutation(np.flatnonzero(works(every, left[of_left])))
    found, first = np.unique(of_left[working], return_index=True)
    digits[left[found]] = every.digits[working[first]]
    left = np.delete(left, found)
    digits[left, 0, operands.n_digits[left, 0] - 1] = 0
    assert works(Operands(digits[left], operands.n_digits[left]), left).all(), "an example has no partner"
    return Operands(digits, operands.n_digits)


def carried_in(totals: Digits) -> Digits:
    """What each position receives from the one before, where each keeps `total % 10` and hands on the rest.

    A negative total borrows: it hands on a negative rest.
    """
    by_place = np.ascontiguousarray(totals.T)
    carry = np.zeros_like(by_place)
    for place in range(1, len(by_place)):
        carry[place] = (by_place[place - 1] + carry[place - 1]) // 10
    return carry.T


def settled(totals: Digits) -> Digits:
    """The digits of the numbers whose positions have these totals."""
    return (totals + carried_in(totals)) % 10


def n_significant(digits: Digits) -> Int[np.ndarray, "example"]:
    """Digits that each number has when written without zeros in front, at least one."""
    leading = digits.shape[1] - np.argmax(digits[:, ::-1] != 0, axis=1)
    return np.where(digits.any(axis=1), leading, 1)
