"""Arithmetic against Python's own integers and sums on paper; partners, alignment and lengths of operands.

Covers `tasks/arithmetic.py`, `tasks/_digits.py`.
"""

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headreuse.tasks import BLANK, TASKS, evaluation_examples, training_examples
from headreuse.tasks.arithmetic import WITHOUT_PARTNER

ALIGNED = ("reverse_add", "no_carry", "carry_only", "reverse_subtract", "copy_first_operand")
FAMILY = (*ALIGNED, "multiply_cot")

seeds = st.integers(0, 2**32)
numbers = st.integers(1, 10**40)
many_lengths = st.lists(st.integers(1, 40), min_size=1, max_size=20)

PUBLISHED = [
    ("reverse_add", "356+94=", "2070"),
    ("reverse_add", "2335+9182=", "15180"),
    ("no_carry", "356+94=", "2960"),
    ("no_carry", "2335+9182=", "14170"),
    ("carry_only", "356+94=", "0110"),
    ("carry_only", "2335+9182=", "01010"),
    ("reverse_subtract", "356-94=", "4060"),
    ("reverse_subtract", "2819-2335=", "05830"),
    ("reverse_subtract", "94-356=", "406-"),
    ("reverse_subtract", "2335-2819=", "0583-"),
    ("reverse_subtract", "94-05=", "10-"),
    ("multiply_cot", "7654*321=", "10731+04319+007654=147165"),
    ("copy_first_operand", "356+94=", "3560"),
]
ON_PAPER = [
    ("reverse_add", "9+9=", "81"),
    ("reverse_add", "1+1=", "20"),
    ("reverse_add", "9999+1=", "00001"),
    ("reverse_add", "1+9999=", "00001"),
    ("reverse_add", "999+999=", "8991"),
    ("no_carry", "9+9=", "80"),
    ("no_carry", "999+999=", "8880"),
    ("no_carry", "55+55=", "000"),
    ("no_carry", "1+9999=", "09990"),
    ("carry_only", "9+9=", "01"),
    ("carry_only", "1+9999=", "01111"),
    ("carry_only", "999+999=", "0111"),
    ("carry_only", "45+54=", "000"),
    ("carry_only", "55+55=", "011"),
    ("reverse_subtract", "5-5=", "00"),
    ("reverse_subtract", "321-321=", "0000"),
    ("reverse_subtract", "3-5=", "2-"),
    ("reverse_subtract", "0001-1=", "99900"),
    ("reverse_subtract", "1-0001=", "9990-"),
    ("reverse_subtract", "7-321=", "611-"),
    ("multiply_cot", "9*999=", "18+018+0018=1998"),
    ("multiply_cot", "1*001=", "0+00+001=001"),
    ("multiply_cot", "21*305=", "63+00+0006=6306"),
    ("copy_first_operand", "1+9999=", "10000"),
    ("copy_first_operand", "9999+1=", "99990"),
]


def written(number: int) -> str:
    return str(number)[::-1]


def value(digits: str) -> int:
    return int(digits[::-1])


def text_of(a: int, operator: str, b: int) -> str:
    return f"{written(a)}{operator}{written(b)}="


def operands_of(prompt: str) -> tuple[str, str]:
    first, second, _ = re.split(r"[-+*=]", prompt)
    return first, second


def rows(task, symbols) -> list[str]:
    return [task.text(row) for row in symbols]


@pytest.mark.parametrize(("name", "prompt", "answer"), PUBLISHED + ON_PAPER)
def test_the_oracle_gives_what_paper_and_pencil_give(name, prompt, answer):
    assert TASKS[name]().answer(prompt) == answer


@given(a=numbers, b=numbers)
@settings(max_examples=200, deadline=None)
def test_the_oracle_knows_the_integers(a, b):
    n = max(len(str(a)), len(str(b)))
    plus, minus = text_of(a, "+", b), text_of(a, "-", b)
    total = TASKS["reverse_add"]().answer(plus)
    assert (len(total), value(total)) == (n + 1, a + b)
    difference = TASKS["reverse_subtract"]().answer(minus)
    assert len(difference) == n + 1
    assert difference.endswith("-") == (a < b)
    assert value(difference.rstrip("-")) == abs(a - b)
    copied = TASKS["copy_first_operand"]().answer(plus)
    assert (len(copied), value(copied)) == (n + 1, a)


@given(a=numbers, b=numbers)
@settings(max_examples=200, deadline=None)
def test_the_sum_is_no_carry_plus_carry_only_modulo_10_at_every_position(a, b):
    total, without, carries = (TASKS[name]().answer(text_of(a, "+", b)) for name in ALIGNED[:3])
    assert len(total) == len(without) == len(carries)
    assert total == "".join(str((int(x) + int(y)) % 10) for x, y in zip(without, carries, strict=True))
    assert carries[0] == without[-1] == "0"


@given(a=numbers, b=st.integers(100, 999))
@settings(max_examples=200, deadline=None)
def test_the_parts_of_a_product_add_up_to_it(a, b):
    working, product = TASKS["multiply_cot"]().answer(text_of(a, "*", b)).split("=")
    parts = working.split("+")
    assert value(product) == a * b == sum(map(value, parts))
    assert product == written(a * b)
    for place, (part, digit) in enumerate(zip(parts, written(b), strict=True)):
        assert part[:place] == "0" * place
        assert part[place:] == written(a * int(digit))


@pytest.mark.parametrize("name", FAMILY)
@given(max_length=st.integers(1, 40), seed=seeds)
@settings(max_examples=25, deadline=None)
def test_training_examples_agree_with_the_oracle_and_so_do_their_partners(name, max_length, seed):
    task = TASKS[name]()
    examples = task.generate_training(40, max_length, np.random.default_rng(seed))
    assert rows(task, examples.answer) == [task.answer(prompt) for prompt in rows(task, examples.prompt)]
    corrupted = rows(task, examples.corrupted_prompt)
    assert rows(task, examples.corrupted_answer) == [task.answer(prompt) for prompt in corrupted]


@pytest.mark.parametrize("name", FAMILY)
@given(lengths=many_lengths, seed=seeds)
@settings(max_examples=25, deadline=None)
def test_in_the_evaluation_both_numbers_have_all_the_digits_and_no_leading_0(name, lengths, seed):
    task = TASKS[name]()
    examples = task.generate(np.array(lengths), np.random.default_rng(seed))
    for n, prompt, answer in zip(lengths, rows(task, examples.prompt), rows(task, examples.answer), strict=True):
        first, second = operands_of(prompt)
        assert (len(first), len(second)) == (n, 3 if name == "multiply_cot" else n)
        assert "0" not in (first[-1], second[-1])
        assert name == "multiply_cot" or len(answer) == n + 1


@pytest.mark.parametrize("name", FAMILY)
@given(max_length=st.integers(1, 12), seed=seeds)
@example(max_length=2, seed=13732)
@settings(max_examples=25, deadline=None)
def test_a_partner_differs_in_one_digit_and_in_its_answer_and_in_no_length(name, max_length, seed):
    task = TASKS[name]()
    examples = task.generate_training(60, max_length, np.random.default_rng(seed))
    for clean, corrupted in zip(rows(task, examples.prompt), rows(task, examples.corrupted_prompt), strict=True):
        changed = [(a, b) for a, b in zip(clean, corrupted, strict=True) if a != b]
        assert len(changed) == 1
        assert all(symbol in "0123456789" for symbol in changed[0])
        if name == "carry_only" and re.fullmatch(r"(0*9)\+\1=", clean):
            # 9 and 9, 90 and 90, and so on: no other change turns their carries.
            assert corrupted == clean.replace("9", "0", 1)
            continue
        assert all(number[-1] != "0" for number in operands_of(corrupted))
        assert task.answer(clean) != task.answer(corrupted)
        assert len(task.answer(clean)) == len(task.answer(corrupted))


def test_the_carries_of_9_and_9_alone_have_a_partner_with_a_0():
    task = TASKS["carry_only"]()
    examples = task.generate(np.full(3000, 1), np.random.default_rng(0))
    pairs = zip(rows(task, examples.prompt), rows(task, examples.corrupted_prompt), strict=True)
    assert {pair for pair in pairs if "0" in pair[1]} == {("9+9=", "0+9=")}


def changes(number: int) -> list[int]:
    """Every number of as many digits that differs from this one in one digit."""
    text = str(number)
    texts = (text[:place] + digit + text[place + 1 :] for place in range(len(text)) for digit in "0123456789")
    return [int(other) for other in texts if other[0] != "0" and other != text]


def test_the_products_that_are_not_drawn_are_those_without_a_partner():
    a, b = np.arange(1, 1000)[:, None], np.arange(100, 1000)
    parts = (a * (b % 10), a * (b // 10 % 10), a * (b // 100), a * b)
    n_symbols = sum(np.char.str_len(part.astype(str)) for part in parts)
    has_partner = np.zeros(n_symbols.shape, dtype=bool)
    for row in range(len(a)):
        has_partner[row] |= (n_symbols[np.array(changes(row + 1)) - 1] == n_symbols[row]).any(axis=0)
    for column in range(len(b)):
        others = n_symbols[:, np.array(changes(column + 100)) - 100]
        has_partner[:, column] |= (others == n_symbols[:, column, None]).any(axis=1)
    alone = np.argwhere(~has_partner) + np.array([1, 100])
    assert tuple(map(tuple, alone.tolist())) == WITHOUT_PARTNER


@pytest.mark.parametrize(("first", "prompt"), [("21", "21*097="), ("2101", "2101*098=")])
def test_a_product_that_is_not_to_be_drawn_makes_way_for_another_and_no_longer_one_does(first, prompt):
    class Rigged:
        """Draws that number times 890 first; everything after that comes from a true generator."""

        def __init__(self):
            self.true, self.n_drawn = np.random.default_rng(0), 0

        def integers(self, *arguments, size=None, **settings):
            self.n_drawn += 1
            digits = np.array([[*map(int, number.ljust(max(len(first), 3), "0"))] for number in (first, "098")])
            if self.n_drawn == 1:
                return np.tile(np.pad(digits, ((0, 0), (0, 1))).astype(np.int16), (size[0], 1, 1))
            if self.n_drawn == 2:
                return np.tile(np.array([int(first[-1]), 8], dtype=np.int16), (size[0], 1))
            return self.true.integers(*arguments, size=size, **settings)

    task = TASKS["multiply_cot"]()
    assert rows(task, task.generate(np.full(2, len(first)), Rigged()).prompt) == [prompt] * 2


@given(lengths=many_lengths, seed=seeds)
@settings(max_examples=8, deadline=None)
def test_tasks_of_one_layout_have_the_same_numbers_token_by_token(lengths, seed):
    for draw in (
        lambda task, generator: task.generate(np.array(lengths), generator),
        lambda task, generator: task.generate_training(30, max(lengths), generator),
        lambda task, generator: evaluation_examples(task, np.array(lengths), generator),
        lambda task, generator: training_examples(task, 30, max(lengths), generator),
    ):
        generators = [np.random.default_rng(seed) for _ in ALIGNED]
        drawn = [draw(TASKS[name](), generator) for name, generator in zip(ALIGNED, generators, strict=True)]
        for examples in drawn[1:]:
            assert examples.prompt.tolist() == drawn[0].prompt.tolist()
        assert len({int(generator.integers(2**40)) for generator in generators}) == 1, "they use the generator alike"


def test_aligned_tasks_have_one_alphabet_except_for_the_operator():
    alphabets = [TASKS[name]().alphabet for name in ALIGNED]
    for alphabet in alphabets:
        assert alphabet[:10] == tuple("0123456789")
        assert [symbol.replace("-", "+") for symbol in alphabet[10:]] == ["+", "="]


def test_training_draws_the_two_lengths_apart_and_from_the_whole_range():
    task = TASKS["reverse_add"]()
    examples = task.generate_training(20_000, 5, np.random.default_rng(0))
    lengths = np.array([[len(number) for number in operands_of(prompt)] for prompt in rows(task, examples.prompt)])
    seen = np.histogram2d(*lengths.T, bins=np.arange(0.5, 6))[0] / len(lengths)
    assert np.abs(seen - 1 / 25).max() < 0.01


def test_training_draws_factors_of_every_length_and_multipliers_of_3_digits():
    task = TASKS["multiply_cot"]()
    examples = task.generate_training(5_000, 5, np.random.default_rng(0))
    numbers = [operands_of(prompt) for prompt in rows(task, examples.prompt)]
    shares = np.bincount([len(first) for first, _ in numbers]) / len(numbers)
    assert np.abs(shares - np.array([0, *[1 / 5] * 5])).max() < 0.02
    assert {len(second) for _, second in numbers} == {3}


def test_digits_are_uniform_and_leading_ones_from_1_to_9():
    task = TASKS["copy_first_operand"]()
    examples = task.generate(np.full(20_000, 3), np.random.default_rng(0))
    for position, shares in ((0, [0.1] * 10), (1, [0.1] * 10), (2, [0, *[1 / 9] * 9]), (3, [1] + [0] * 9)):
        counts = np.bincount(examples.answer[:, position], minlength=10)
        assert np.abs(counts / counts.sum() - shares).max() < 0.01


def test_the_changed_digit_may_stand_anywhere_and_be_any_other():
    task = TASKS["no_carry"]()
    examples = task.generate(np.full(20_000, 2), np.random.default_rng(0))
    changed = examples.prompt != examples.corrupted_prompt
    assert np.abs(changed.mean(axis=0) - np.array([0.25, 0.25, 0, 0.25, 0.25, 0])).max() < 0.02
    for position, n_others in ((0, 9), (4, 8)):
        pairs = np.stack([examples.prompt, examples.corrupted_prompt])[:, changed[:, position], position]
        of_a_5 = np.bincount(pairs[1][pairs[0] == 5], minlength=10) / (pairs[0] == 5).sum()
        expected = [0 if digit == 5 or (n_others == 8 and digit == 0) else 1 / n_others for digit in range(10)]
        assert np.abs(of_a_5 - expected).max() < 0.06


def test_a_change_in_the_second_number_is_no_partner_of_a_copy_of_the_first():
    task = TASKS["copy_first_operand"]()
    examples = task.generate(np.full(500, 4), np.random.default_rng(0))
    changed = np.nonzero(examples.prompt != examples.corrupted_prompt)[1]
    assert set(changed.tolist()) == {0, 1, 2, 3}


def test_answers_of_mixed_lengths_end_in_blanks():
    task = TASKS["multiply_cot"]()
    examples = task.generate(np.array([1, 12]), np.random.default_rng(0))
    filled = examples.answer != BLANK
    assert filled[0].sum() < filled[1].sum() == examples.answer.shape[1]


@pytest.mark.parametrize(
    "prompt", ["356+94", "356+=", "+94=", "", "=", "356-94=", "356+94=2", "35a+94=", " 356+94=", "3+5+6=", "٣+٤="]
)
def test_a_text_that_is_no_prompt_is_refused_with_one_that_is(prompt):
    with pytest.raises(ValueError, match=r"is not a prompt of reverse_add; give digits, '\+', .* such as '7654\+321='"):
        TASKS["reverse_add"]().answer(prompt)


def test_a_number_with_a_leading_0_is_refused():
    with pytest.raises(ValueError, match=r"'350' in '350-94=' ends in 0, its leading digit, .*; give '35'"):
        TASKS["reverse_subtract"]().answer("350-94=")


def test_a_multiplier_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"'12' in '7654\*12=' has 2 digits; give 3"):
        TASKS["multiply_cot"]().answer("7654*12=")
