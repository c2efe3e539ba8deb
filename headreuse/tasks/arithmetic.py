"""Tasks on two numbers, written least significant digit first: `356+94=` asks about 653 and 49.

In the evaluation both numbers have as many digits as the length says. In training their two lengths are independent,
each uniform from 1 to the longest. The leading digit, written last, is never 0.
"""

import re
from abc import abstractmethod
from itertools import zip_longest
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Int

from headreuse.tasks._digits import Digits, Operands, carried_in, draw_operands, n_significant, partner, settled
from headreuse.tasks._rows import DTYPE, Lengths, Symbols, cut, side_by_side
from headreuse.tasks.base import BLANK, Examples, Task, task

DIGITS = tuple("0123456789")
OPERATOR, EQUALS, PLUS = 10, 11, 12
"""Their places in the alphabets, after the digits."""
N_DIGITS_MULTIPLIER = 3
WITHOUT_PARTNER = ((12, 890), (12, 899), (124, 809))
"""The only factors for which every change of one digit changes the length of the answer; they are not drawn."""


class ArithmeticTask(Task):
    """A question about two numbers; the length is the number of digits of the longer one.

    All tasks of the family except the product draw the same numbers from the same generator.
    """

    operator: ClassVar[str] = "+"
    separators = frozenset("+=")
    coupled_ids = "forward"

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The digits in order, the operator, `=`."""
        return (*DIGITS, self.operator, "=")

    def generate(self, lengths: Lengths, generator: np.random.Generator) -> Examples:
        """Uniform numbers; in the corrupted partner one digit of one of them is replaced.

        It is drawn again until the answer differs and has the same length. A leading digit stays from 1 to 9, with one
        exception: no such change turns the carries of 9 and 9, or of 90 and 90, so the 9 becomes 0.
        """
        self.check_lengths(lengths)
        return self._examples(self.draw(lengths, lengths, generator), generator)

    def generate_training(self, n: int, max_length: int, generator: np.random.Generator) -> Examples:
        """As `generate`, with the lengths of the two numbers independent and uniform from 1 to `max_length`."""
        first, second = generator.integers(self.min_length, max_length + 1, size=(2, n))
        return self._examples(self.draw(first, second, generator), generator)

    def draw(self, n_first: Lengths, n_second: Lengths, generator: np.random.Generator) -> Operands:
        """Uniform numbers with the given numbers of digits."""
        return draw_operands(np.stack([n_first, n_second], axis=1), generator)

    @abstractmethod
    def answers(self, operands: Operands) -> Symbols:
        """The symbols of each answer, then `BLANK`."""

    def numbers(self, prompt: str) -> tuple[str, str]:
        """The two numbers as a prompt writes them; a `ValueError` says why a text is no prompt."""
        match = re.fullmatch(rf"([0-9]+){re.escape(self.operator)}([0-9]+)=", prompt)
        if match is None:
            raise ValueError(
                f"{prompt!r} is not a prompt of {self.name}; give digits, {self.operator!r}, digits and '=', "
                f"such as '7654{self.operator}321='"
            )
        for number in match.groups():
            if len(number) > 1 and number.endswith("0"):
                raise ValueError(
                    f"{number!r} in {prompt!r} ends in 0, its leading digit, since digits begin with the least "
                    f"significant; give {number.rstrip('0') or '0'!r}"
                )
        return match[1], match[2]

    def _examples(self, operands: Operands, generator: np.random.Generator) -> Examples:
        answers = self.answers(operands)

        def works(changed: Operands, example: Int[np.ndarray, "change"]) -> Bool[np.ndarray, "change"]:
            return _another_of_the_same_length(self.answers(changed), answers[example])

        # Tasks try different numbers of partners. A generator of their own leaves `generator` in the same state for all
        # tasks, so that they go on to draw the same numbers.
        changed = partner(operands, works, np.random.default_rng(generator.integers(1 << 62)))
        return Examples(self._prompts(operands), answers, self._prompts(changed), self.answers(changed))

    def _prompts(self, operands: Operands) -> Symbols:
        first, second = cut(operands.first, operands.n_digits[:, 0]), cut(operands.second, operands.n_digits[:, 1])
        return side_by_side([first, OPERATOR, second, EQUALS])


def _another_of_the_same_length(
    symbols: Int[np.ndarray, "change width"], others: Int[np.ndarray, "change other_width"]
) -> Bool[np.ndarray, "change"]:
    """Whether answers differ and have the same number of symbols; the two arrays may be filled to other widths."""
    alike = (symbols != BLANK).sum(axis=1) == (others != BLANK).sum(axis=1)
    width = min(symbols.shape[1], others.shape[1])
    return alike & (symbols[:, :width] != others[:, :width]).any(axis=1)


class PaddedTask(ArithmeticTask):
    """The answer has one digit more than the longer number."""

    @abstractmethod
    def digits(self, operands: Operands) -> Digits:
        """The digits of each answer; digits after its end are ignored."""

    def answers(self, operands: Operands) -> Symbols:
        """As many digits as the longer number has, and one more."""
        return cut(self.digits(operands), operands.longest + 1)


def padded(digits: str, first: str, second: str) -> str:
    """The digits of an answer, filled with zeros to one digit more than the longer number."""
    return digits.ljust(max(len(first), len(second)) + 1, "0")


def written(number: int) -> str:
    """A number as text, least significant digit first."""
    return str(number)[::-1]


def value(digits: str) -> int:
    """The number that a text means, least significant digit first."""
    return int(digits[::-1])


@task("reverse_add")
class ReverseAdd(PaddedTask):
    """The sum, filled with zeros to one digit more than the longer number: `356+94=` → `2070` (653 + 49 = 702)."""

    def answer(self, prompt: str) -> str:
        """The sum."""
        first, second = self.numbers(prompt)
        return padded(written(value(first) + value(second)), first, second)

    def digits(self, operands: Operands) -> Digits:
        """The sum."""
        return settled(operands.first + operands.second)


@task("no_carry")
class NoCarry(PaddedTask):
    """The sum at each place without carries, then a 0: `356+94=` → `2960`."""

    def answer(self, prompt: str) -> str:
        """The last digit of the sum at each place."""
        first, second = self.numbers(prompt)
        sums = (int(a) + int(b) for a, b in zip_longest(first, second, fillvalue="0"))
        return padded("".join(str(total)[-1] for total in sums), first, second)

    def digits(self, operands: Operands) -> Digits:
        """The sum at each place, modulo 10."""
        return (operands.first + operands.second) % 10


@task("carry_only")
class CarryOnly(PaddedTask):
    """A 0, then the carry out of each place of the sum: `356+94=` → `0110`."""

    def answer(self, prompt: str) -> str:
        """For each place, whether the sum of the numbers up to that place needs one digit more."""
        first, second = self.numbers(prompt)
        ends = range(1, max(len(first), len(second)) + 1)
        return "0" + "".join(str((value(first[:end]) + value(second[:end])) // 10**end) for end in ends)

    def digits(self, operands: Operands) -> Digits:
        """The carry into each place."""
        return carried_in(operands.first + operands.second)


@task("reverse_subtract")
class ReverseSubtract(ArithmeticTask):
    """The difference, one symbol longer than the longer number: `356-94=` → `4060` (653 − 49 = 604).

    A negative difference ends in `-`: `94-356=` → `406-`.
    """

    operator = "-"
    separators = frozenset("-=")

    def answer(self, prompt: str) -> str:
        """The difference, filled with zeros, with its sign last."""
        first, second = self.numbers(prompt)
        difference = value(first) - value(second)
        symbols = padded(written(abs(difference)), first, second)
        return symbols[:-1] + "-" if difference < 0 else symbols

    def answers(self, operands: Operands) -> Symbols:
        """The smaller number subtracted from the larger, and the sign in the last place."""
        # The most significant place at which the numbers differ decides which of them is larger. Where the first is
        # smaller, all places change sign, so that what is settled is never negative.
        by_place = operands.first - operands.second
        leading = np.maximum(n_significant(by_place) - 1, 0)[:, None]
        negative = np.take_along_axis(by_place, leading, axis=1)[:, 0] < 0
        symbols = settled(np.where(negative[:, None], -by_place, by_place))
        symbols[negative, operands.longest[negative]] = OPERATOR
        return cut(symbols, operands.longest + 1)


@task("multiply_cot")
class MultiplyCot(ArithmeticTask):
    """The product with a number of 3 digits, step by step: `7654*321=` → `10731+04319+007654=147165` (4567 · 123).

    For each digit of the second number: a 0 for each digit before it, then the product with that digit (`0` if it
    is 0). At the end the sum of these. The length is the number of digits of the first number.
    """

    operator = "*"
    separators = frozenset("*+=")

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The digits in order, the operator, `=`, `+`."""
        return (*super().alphabet, "+")

    def answer(self, prompt: str) -> str:
        """The product with each digit of the second number, and their sum."""
        first, second = self.numbers(prompt)
        partial = ["0" * place + written(value(first) * int(digit)) for place, digit in enumerate(second)]
        return "+".join(partial) + "=" + written(value(first) * value(second))

    def numbers(self, prompt: str) -> tuple[str, str]:
        """The two numbers; the second must have 3 digits."""
        first, second = super().numbers(prompt)
        if len(second) != N_DIGITS_MULTIPLIER:
            raise ValueError(f"{second!r} in {prompt!r} has {len(second)} digits; give {N_DIGITS_MULTIPLIER}")
        return first, second

    def draw(self, n_first: Lengths, n_second: Lengths, generator: np.random.Generator) -> Operands:
        """Uniform numbers, the second of 3 digits; factors without a partner are replaced."""
        operands = super().draw(n_first, np.full_like(n_second, N_DIGITS_MULTIPLIER), generator)
        place_values = np.array([1, 10, 100])
        first, second = (digits[:, :N_DIGITS_MULTIPLIER] @ place_values for digits in (operands.first, operands.second))
        for numbers in WITHOUT_PARTNER:
            unwanted = (first == numbers[0]) & (second == numbers[1]) & (n_first <= N_DIGITS_MULTIPLIER)
            operands.second[unwanted, N_DIGITS_MULTIPLIER - 1] -= 1
        return operands

    def answers(self, operands: Operands) -> Symbols:
        """The partial products with `+` between them, then `=` and the sum."""
        # At most 3 products of two digits, 3 · 81, meet at a place, so one pass of carries at the end gives the sum.
        n_places = operands.digits.shape[2]
        totals = np.zeros((len(operands), n_places + N_DIGITS_MULTIPLIER - 1), dtype=DTYPE)
        parts: list[Symbols | int] = []
        for place in range(N_DIGITS_MULTIPLIER):
            partial = operands.first * operands.second[:, place, None]
            totals[:, place : place + n_places] += partial
            digits = settled(partial)
            shift = np.zeros((len(operands), place), dtype=DTYPE)
            parts += [shift, cut(digits, n_significant(digits)), PLUS if place < N_DIGITS_MULTIPLIER - 1 else EQUALS]
        product = settled(totals)
        return side_by_side([*parts, cut(product, n_significant(product))])


@task("copy_first_operand")
class CopyFirstOperand(PaddedTask):
    """The first number, filled with zeros to one digit more than the longer number: `356+94=` → `3560`."""

    def answer(self, prompt: str) -> str:
        """The first number."""
        first, second = self.numbers(prompt)
        return padded(first, first, second)

    def digits(self, operands: Operands) -> Digits:
        """The first number."""
        return operands.first
