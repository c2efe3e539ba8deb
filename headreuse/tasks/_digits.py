"""Pairs of numbers as rows of digits, least significant first, and arithmetic on all rows at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from headreuse.tasks._rows import DTYPE, Lengths

GUESSES = 24
"""How often a random change of one digit is tried before all changes are tried."""

Digits = Int[np.ndarray, "example digit"]


@dataclass(frozen=True)
class Operands:
    """The two numbers of each example, least significant digit first."""

    digits: Int[np.ndarray, "example 2 digit"]
    """Zeros after a number's last digit; one place wider than the longest number, for the carry."""
    n_digits: Int[np.ndarray, "example 2"]

    def __len__(self) -> int:
        return len(self.digits)

    def __getitem__(self, rows: Int[np.ndarray, "row"]) -> "Operands":
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
    def longest(self) -> Lengths:
        """Number of digits of the longer of the two numbers."""
        return self.n_digits.max(axis=1)

    @property
    def changeable(self) -> Bool[np.ndarray, "example 2 digit 10"]:
        """Which digits (last axis) may replace each digit: any other, except a leading 0."""
        place = np.arange(self.digits.shape[2])
        inside = place < self.n_digits[..., None]
        changeable = inside[..., None] & (self.digits[..., None] != np.arange(10))
        changeable[..., 0] &= place != self.n_digits[..., None] - 1
        return changeable

    def changed_anywhere(self, generator: np.random.Generator) -> "Operands":
        """One digit of each example, at a random place, replaced by another; no leading digit becomes 0."""
        example = np.arange(len(self))
        place = generator.integers(self.n_digits.sum(axis=1))
        operand = (place >= self.n_digits[:, 0]).astype(np.int64)
        place -= operand * self.n_digits[:, 0]
        digit = self.digits[example, operand, place]
        smallest = (place == self.n_digits[example, operand] - 1).astype(np.int64)
        # A step of 1 to 9 within the digits 0–9, or of 1 to 8 within 1–9, reaches every other digit equally often.
        step = generator.integers(1, 10 - smallest)
        digit = (digit - smallest + step) % (10 - smallest) + smallest
        return self.changed(example, operand, place, digit)

    def changed(
        self,
        example: Int[np.ndarray, "change"],
        operand: Int[np.ndarray, "change"],
        place: Int[np.ndarray, "change"],
        digit: Int[np.ndarray, "change"],
    ) -> "Operands":
        """These examples, in this order, each with one digit replaced."""
        digits = self.digits[example]
        digits[np.arange(len(digits)), operand, place] = digit
        return Operands(digits, self.n_digits[example])


def draw_operands(n_digits: Int[np.ndarray, "example 2"], generator: np.random.Generator) -> Operands:
    """Uniform numbers with the given numbers of digits; the leading digit is from 1 to 9."""
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
    """The operands of each example with one digit replaced, drawn again until the change works.

    `works` gets changed operands and the example that each was made from. Where no change works, the leading digit of
    the first number becomes 0: this happens for 9 and 9 if the carry must change.
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
    # Failed guesses do not prove that no change works. So all changes of the examples that are left are tried, in
    # random order: no working change is preferred.
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
    """The carry into each place; a negative total borrows, which is a negative carry."""
    # A carry depends only on less significant places, so one pass over the places is exact. `//` rounds down: a total
    # of −1 keeps 9 and carries −1, as borrowing on paper does.
    by_place = np.ascontiguousarray(totals.T)
    carry = np.zeros_like(by_place)
    for place in range(1, len(by_place)):
        carry[place] = (by_place[place - 1] + carry[place - 1]) // 10
    return carry.T


def settled(totals: Digits) -> Digits:
    """The digits of the numbers with these totals at each place."""
    return (totals + carried_in(totals)) % 10


def n_significant(digits: Digits) -> Lengths:
    """Number of digits without leading zeros, at least one."""
    leading = digits.shape[1] - np.argmax(digits[:, ::-1] != 0, axis=1)
    return np.where(digits.any(axis=1), leading, 1)
