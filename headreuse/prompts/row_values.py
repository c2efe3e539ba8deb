"""The values of one row of prompts in their types, and what is wrong with each."""

import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from headreuse.errors import nearest
from headreuse.prompts.row_files import LONGEST_CELL, value_of_json
from headreuse.records import Role

COLUMNS = ("clean", "answer", "corrupted", "wrong_answer", "length", "spans")
MOST_LENGTH = 1_000_000
MOST_SPANS = 50
"""Of one row."""
_SPAN_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,40}")


class Span(NamedTuple):
    """A named part of a prompt's text: the characters from `start` up to `end`, which is not in it any more."""

    name: str
    start: int
    end: int


def checked_values(row: dict[str, object]) -> tuple[dict[str, object], list[str]]:
    """The values of one row in their types, and what is wrong."""
    problems = [_unknown(column) for column in row if column not in COLUMNS]
    problems += [f"`{column}` is missing" for column in ("clean", "answer") if column not in row]
    values: dict[str, object] = {}
    for column, value in row.items():
        try:
            if column in ("clean", "answer", "corrupted", "wrong_answer"):
                values[column] = _text(column, value)
            elif column == "length":
                values[column] = _length(value)
            elif column == "spans" and isinstance(row.get("clean"), str):
                values[column] = _spans(value, len(str(row["clean"])))
        except ValueError as error:
            problems.append(f"`{column}` {error}")
    if "answer" in values and values.get("wrong_answer") == values["answer"]:
        problems.append("`wrong_answer` is the answer; give another")
    if "clean" in values and values.get("corrupted") == values["clean"]:
        problems.append("`corrupted` is the clean prompt; give another")
    return values, problems


@lru_cache(maxsize=1000)
def _unknown(column: str) -> str:
    return f"unknown column {_shown(column)}{nearest(column[:60], list(COLUMNS))}; there are {', '.join(COLUMNS)}"


def _text(column: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"is {_shown(value)}; give text")
    if not value and column != "clean":
        raise ValueError("is empty; give text")
    if len(value) > LONGEST_CELL:
        raise ValueError(f"has {len(value):,} characters; give at most {LONGEST_CELL:,}")
    if re.search("[\ud800-\udfff]", value):
        raise ValueError("has half a character (a lone surrogate); give whole ones")
    return value


def _length(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_LENGTH:
        raise ValueError(f"is {_shown(value)}; give a whole number from 1 to {MOST_LENGTH:,}")
    return value


def _spans(value: object, n_characters: int) -> tuple[Span, ...]:
    """Spans in the order of their names, from an object or its JSON."""
    value = value_of_json(value) if isinstance(value, str) else value
    if not isinstance(value, dict) or not 1 <= len(value) <= MOST_SPANS:
        raise ValueError(f'are {_shown(value)}; give 1 to {MOST_SPANS} names with characters, as {{"IO": [5, 9]}}')
    spans = [_span(str(name), ends, n_characters) for name, ends in sorted(value.items())]
    ordered = sorted(spans, key=lambda span: span.start)
    for before, after in pairwise(ordered):
        if after.start < before.end:
            raise ValueError(f"{before.name} and {after.name} overlap; a character has one name")
    return tuple(spans)


def _span(name: str, ends: object, n_characters: int) -> Span:
    if not _SPAN_NAME.fullmatch(name) or name in Role.__members__:
        raise ValueError(f"name {_shown(name)}; use up to 40 letters, digits, _ . + or -, and not the name of a role")
    if not isinstance(ends, list | tuple) or len(ends) != 2 or not all(type(end) is int for end in ends):
        raise ValueError(f"have {name} at {_shown(ends)}; give two whole numbers, its first character and its end")
    start, end = ends
    if not 0 <= start < end <= n_characters:
        raise ValueError(f"have {name} at {_shown(ends)}; `clean` has the characters 0 to {n_characters:,}")
    return Span(name, start, end)


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:60]}…"
