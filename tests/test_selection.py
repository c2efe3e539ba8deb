"""Which entries of a series are chosen, by hand."""

import pytest
from pydantic import ValidationError

from headreuse.errors import HeadreuseError
from headreuse.sources.series.base import Entry
from headreuse.sources.series.selection import Revisions


def entries(*steps: int, run: str = "", broken: tuple[int, ...] = ()) -> list[Entry]:
    problems = dict.fromkeys(broken, "truncated")
    return [Entry(run, f"step{step}", step, None, "f", "p", problems.get(step, "")) for step in steps]


def steps(found) -> list[int]:
    return [entry.step for entry in found]


PYTHIA = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, *range(1000, 144_000, 1000))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [1, 2, 3, 5, 8, 13]),
        ({"first": 2, "last": 8}, [2, 3, 5, 8]),
        ({"every": 2}, [1, 3, 8]),
        ({"every": 2, "first": 2}, [2, 5, 13]),
        ({"at": [13, "step2"]}, [2, 13]),
        ({"log_spaced": 2}, [1, 13]),
        ({"log_spaced": 3}, [1, 3, 13]),
        ({"log_spaced": 99}, [1, 2, 3, 5, 8, 13]),
    ],
)
def test_entries_are_chosen_as_asked(asked, expected):
    assert steps(Revisions.model_validate(asked).pick(entries(1, 2, 3, 5, 8, 13))) == expected


def test_log_spaced_gives_that_many_with_both_ends_where_few_are_there_at_the_beginning():
    chosen = steps(Revisions(log_spaced=12).pick(entries(*PYTHIA)))
    assert len(set(chosen)) == 12
    assert chosen == sorted(chosen)
    assert (chosen[0], chosen[-1]) == (0, 143_000)
    assert steps(Revisions(log_spaced=4).pick(entries(1, 2, 3, 4, 1000))) == [1, 3, 4, 1000]
    assert steps(Revisions(log_spaced=4).pick(entries(1000, 2000, 4000, 8000, 16000))) == [1000, 2000, 8000, 16000]


def test_each_run_is_chosen_from_apart():
    both = [*entries(1, 2, 3, run="a"), *entries(2, 4, 6, run="b")]
    assert [(entry.run, entry.step) for entry in Revisions(every=2).pick(both)] == [
        ("a", 1),
        ("a", 3),
        ("b", 2),
        ("b", 6),
    ]


def test_what_cannot_be_used_is_chosen_by_name_or_range_alone():
    listed = entries(1, 2, 3, 4, broken=(3,))
    assert steps(Revisions(every=2).pick(listed)) == [1, 4]
    assert steps(Revisions(log_spaced=2, last=3).pick(listed)) == [1, 2]
    assert steps(Revisions(at=(3,)).pick(listed)) == [3]
    assert steps(Revisions(first=2).pick(listed)) == [2, 3, 4]


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"at": [7]}, r"revisions\.at: no step 7; there are steps 1, 2, 4"),
        ({"at": ["step3"]}, r"revisions\.at: no name 'step3' \(did you mean 'step\d'\?\); there are steps 1, 2, 4"),
        ({"first": 5}, r"revisions: no step from 5 on; there are steps 1, 2, 4"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(asked, line):
    with pytest.raises(HeadreuseError, match=line):
        Revisions.model_validate(asked).pick(entries(1, 2, 4))


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"every": 2, "log_spaced": 3}, r"give at most one of every, log_spaced, at"),
        ({"at": [1], "first": 1}, "first and last go without it"),
        ({"at": [1, 1]}, "1 is listed twice"),
        ({"first": 3, "last": 2}, "exchange them"),
        ({"steps": [1]}, "Extra inputs"),
    ],
)
def test_a_choice_that_says_two_things_is_refused(asked, line):
    with pytest.raises(ValidationError, match=line):
        Revisions.model_validate(asked)
