"""Recall against a reading of the text letter by letter; which letters are scored; when queries occur once.

Covers `tasks/recall.py`, `tasks/_pieces.py`.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headreuse.prompts import Vocabulary, make_prompts
from headreuse.records import Role
from headreuse.tasks import BLANK, TASKS, Task, evaluation_examples
from headreuse.tasks._pieces import draw_asked

seeds = st.integers(0, 2**32)
alphabet_sizes = st.integers(2, 26)


def rows(task: Task, symbols: np.ndarray) -> list[str]:
    return [task.text(row) for row in symbols]


def occurrences(query: str, string: str) -> list[int]:
    return [start for start in range(len(string)) if string[start : start + len(query)] == query]


def parts_of(prompt: str) -> tuple[str, list[str]]:
    string, *queries = prompt.removesuffix("=").split("|")
    return string, queries


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("aBcDcAeB|D|A=", "ce"),
        ("ab|a=", "b"),
        ("aab|aa=", "b"),
        ("aBbA|Bb|a=", "AB"),
        ("abcABC|A|c|a=", "BAb"),
        ("aaab|aaa=", "b"),
    ],
)
def test_the_oracle_gives_what_a_reader_finds(prompt, answer):
    assert TASKS["mqar"]().answer(prompt) == answer


@pytest.mark.parametrize("alphabet_size", [2, 5, 26])
@pytest.mark.parametrize("length", [2, 3, 4, 7, 8, 31, 64, 100])
def test_every_query_occurs_once_and_is_followed_by_its_letter_from_the_shortest_to_long_strings(alphabet_size, length):
    task = TASKS["mqar"](alphabet_size=alphabet_size)
    examples = task.generate(np.full(30, length), np.random.default_rng(0))
    for prompts, answers in (
        (examples.prompt, examples.answer),
        (examples.corrupted_prompt, examples.corrupted_answer),
    ):
        for prompt, answer in zip(rows(task, prompts), rows(task, answers), strict=True):
            string, queries = parts_of(prompt)
            assert len(string) == length
            assert len(queries) == len(set(queries)) == max(length // 4, 1)
            expected = ""
            for query in queries:
                (start,) = occurrences(query, string)
                expected += query + string[start + len(query)]
            assert answer == expected


@pytest.mark.parametrize(
    ("alphabet_size", "length", "query_length"), [(2, 2, 1), (2, 3, 2), (2, 8, 2), (2, 9, 3), (26, 26, 1), (26, 27, 2)]
)
def test_queries_are_of_the_least_length_with_two_pieces_for_each_letter(alphabet_size, length, query_length):
    # 4 letters in both cases make 4 pieces of one letter, 16 of two; 52 letters make 52 of one.
    task = TASKS["mqar"](alphabet_size=alphabet_size)
    examples = task.generate(np.full(10, length), np.random.default_rng(0))
    lengths = {len(query) for prompt in rows(task, examples.prompt) for query in parts_of(prompt)[1]}
    assert lengths == {query_length}


@pytest.mark.parametrize(("letters_per_query", "numbers"), [(2, [1, 2, 4, 8]), (1000, [1, 1, 1, 1])])
def test_a_subclass_may_ask_for_another_number_of_letters(letters_per_query, numbers):
    other = type("Other", (type(TASKS["mqar"]()),), {"letters_per_query": letters_per_query})
    task = other(alphabet_size=16)
    examples = task.generate(np.array([2, 5, 8, 16]), np.random.default_rng(0))
    prompts = rows(task, examples.prompt)
    assert [len(parts_of(prompt)[1]) for prompt in prompts] == numbers
    assert examples.scored.sum(axis=1).tolist() == numbers
    answers = [row[row != BLANK] for row in np.where(examples.scored, examples.answer, BLANK)]
    assert [task.answer(prompt) for prompt in prompts] == [task.text(answer) for answer in answers]


@given(lengths=st.lists(st.integers(2, 40), min_size=1, max_size=20), seed=seeds, alphabet_size=alphabet_sizes)
@settings(max_examples=40, deadline=None)
def test_the_letters_after_the_queries_are_scored_and_nothing_else(lengths, seed, alphabet_size):
    task = TASKS["mqar"](alphabet_size=alphabet_size)
    examples = task.generate(np.array(lengths), np.random.default_rng(seed))
    assert examples.scored.shape == examples.answer.shape
    for row, prompt in enumerate(rows(task, examples.prompt)):
        _, queries = parts_of(prompt)
        marks = "".join("." * len(query) + "x" for query in queries)
        assert "".join(np.where(examples.scored[row], "x", ".")).rstrip(".") == marks
        assert (examples.answer[row] != BLANK).sum() == len(marks)


@given(lengths=st.lists(st.integers(2, 40), min_size=1, max_size=20), seed=seeds, alphabet_size=alphabet_sizes)
@settings(max_examples=40, deadline=None)
def test_a_partner_differs_in_one_letter_of_the_string_and_in_one_scored_letter(lengths, seed, alphabet_size):
    task = TASKS["mqar"](alphabet_size=alphabet_size)
    examples = task.generate(np.array(lengths), np.random.default_rng(seed))
    in_prompt = examples.prompt != examples.corrupted_prompt
    assert in_prompt.sum(axis=1).tolist() == [1] * len(lengths)
    assert (in_prompt.argmax(axis=1) < lengths).all()
    in_answer = examples.answer != examples.corrupted_answer
    assert in_answer.sum(axis=1).tolist() == [1] * len(lengths)
    assert not (in_answer & ~examples.scored).any()
    assert rows(task, examples.only_scored(examples.corrupted_answer)) == [
        task.answer(prompt) for prompt in rows(task, examples.corrupted_prompt)
    ]


def test_prompts_of_one_length_have_one_layout():
    task = TASKS["mqar"](alphabet_size=3)
    prompts = make_prompts(task, np.full(60, 17), np.random.default_rng(0), Vocabulary.of([task]))
    assert (prompts.roles == prompts.roles[0]).all()
    assert (prompts.scored == prompts.scored[0]).all()


def test_loss_and_outcomes_see_the_letters_after_the_queries_but_neither_queries_nor_the_end():
    task = TASKS["mqar"]()
    lengths = np.array([8, 2])
    examples = evaluation_examples(task, lengths, np.random.default_rng(0))
    prompts = Vocabulary.of([task]).encode(task, examples, lengths)
    roles = ["".join(Role(role).name[0] for role in row) for row in prompts.roles]
    # BOS, marker, letters, then a bar and a query each, `=`; each query and its letter, EOS.
    assert roles == ["BM" + "I" * 8 + "SISIS" + "AAAA" + "A", "BM" + "II" + "SIS" + "AA" + "A" + "P" * 10]
    assert np.flatnonzero(prompts.scored[0]).tolist() == [16, 18]
    assert np.flatnonzero(prompts.scored[1]).tolist() == [8]


def test_queries_come_from_everywhere_in_the_string_but_its_end_and_in_any_order():
    asked = draw_asked(np.full(6000, 12), 52, np.random.default_rng(0), letters_per_query=4)
    counts = np.bincount(asked.starts[:, :3].ravel(), minlength=12) / len(asked.starts)
    assert counts[11] == 0
    assert np.abs(counts[:11] - 3 / 11).max() < 0.03
    assert (asked.starts[:, 0] < asked.starts[:, 1]).mean() == pytest.approx(0.5, abs=0.03)


def test_letters_stay_near_uniform_where_strings_are_drawn_anew():
    asked = draw_asked(np.full(6000, 24), 8, np.random.default_rng(0), letters_per_query=4)
    shares = np.bincount(asked.letters.ravel(), minlength=8) / asked.letters.size
    assert np.abs(shares - 1 / 8).max() < 0.01


@pytest.mark.parametrize("prompt", ["aB", "aB=", "aB|=", "|a=", "aB|a", "aB|a=B", "a1|a=", "aB||a=", "", "aB|a|="])
def test_a_text_that_is_no_prompt_is_refused_with_one_that_is(prompt):
    with pytest.raises(ValueError, match=r"is not a prompt of mqar; give letters a–z and A–Z, .* such as 'aBbA\|B='"):
        TASKS["mqar"]().answer(prompt)


def test_a_letter_outside_the_alphabet_is_refused_with_the_letters_there_are():
    with pytest.raises(ValueError, match="give letters a–d and A–D,"):
        TASKS["mqar"](alphabet_size=4).answer("aBe|a=")


@pytest.mark.parametrize(("prompt", "times"), [("aBaB|aB=", 2), ("aaab|aa=", 2), ("abc|A=", 0)])
def test_a_query_that_does_not_occur_once_is_refused(prompt, times):
    with pytest.raises(ValueError, match=rf"occurs {times} times in .*; ask for a piece that occurs once"):
        TASKS["mqar"]().answer(prompt)


def test_a_query_at_the_end_of_the_string_is_refused():
    with pytest.raises(ValueError, match="no letter comes after 'bc' in 'abc'; ask for a piece that is not at its end"):
        TASKS["mqar"]().answer("abc|bc=")


def test_strings_whose_pieces_never_occur_once_are_refused():
    class SameLetter:
        def integers(self, *_, size, **settings):
            return np.zeros(size, dtype=np.int16)

        def random(self, shape):
            return np.zeros(shape)

    with pytest.raises(
        ValueError,
        match="no string of length 3 with enough pieces that occur once was found in 1,000 draws from 4 letters",
    ):
        draw_asked(np.array([3]), 4, SameLetter(), letters_per_query=4)
