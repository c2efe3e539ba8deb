"""Prompts as a user writes them, before any tokenizer: what a file of them says, and what is wrong in it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from headreuse.errors import HeadreuseError, nearest, one_line
from headreuse.prompts.row_files import LONGEST_CELL, Row, rows_in, text_of, value_of_json
from headreuse.records import Role

COLUMNS = ("clean", "answer", "corrupted", "wrong_answer", "length", "spans")
MOST_BYTES = 64 * 2**20
"""Of a file of prompts."""
MOST_ROWS = 100_000
MOST_LENGTH = 1_000_000
MOST_SPANS = 50
"""Of one row."""
MOST_PROBLEMS = 50
"""That are told one by one; more are counted."""
_SPAN_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,40}")


class Span(NamedTuple):
    """A named part of a prompt's text: the characters from `start` up to `end`, which is not in it any more."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class TextPrompts:
    """Prompts as text, row by row; a column that is not given is None."""

    name: str
    clean: tuple[str, ...]
    answers: tuple[str, ...]
    """What follows `clean` directly: a space between the two is part of one of them."""
    corrupted: tuple[str, ...] | None = None
    wrong_answers: tuple[str, ...] | None = None
    lengths: tuple[int, ...] | None = None
    spans: tuple[tuple[Span, ...], ...] | None = None
    """Parts of each prompt that correspond to each other, in the order of their names; all rows have the same names."""
    places: tuple[str, ...] = ()
    """Where each row stands, for messages: `line 3`."""

    def __len__(self) -> int:
        return len(self.clean)

    def picked(self, rows: Iterable[int]) -> "TextPrompts":
        """These rows, in this order."""
        chosen = list(rows)
        columns = {name: value for name, value in vars(self).items() if isinstance(value, tuple)}
        return TextPrompts(
            **vars(self) | {name: tuple(value[row] for row in chosen) for name, value in columns.items()}
        )


class Problems:
    """What is wrong, line by line; all is counted, and as much of it kept as anybody reads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kept: list[str] = []
        self.n = 0

    def add(self, place: str, problem: str) -> None:
        """Note one problem."""
        self.n += 1
        if len(self.kept) < MOST_PROBLEMS:
            self.kept.append(f"{self.name}: {place}: {problem}")

    def raise_any(self) -> None:
        """Raise where there are some."""
        if self.n:
            more = [f"{self.name}: {self.n - len(self.kept):,} more like these"] if self.n > len(self.kept) else []
            raise HeadreuseError("\n".join([*self.kept, *more]))


def read_prompts(path: Path) -> TextPrompts:
    """The prompts of a JSONL or CSV file; they are named after it. Raises as `parse_prompts` does."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise HeadreuseError(one_line(error, path, verb="read")) from None
    return parse_prompts(path.stem, content, path.suffix)


def parse_prompts(name: str, content: str | bytes, suffix: str) -> TextPrompts:
    """The prompts in the text of a file that ends with `suffix`: `.jsonl`, an object a line, or `.csv`.

    Columns: `clean` and `answer`; perhaps `corrupted`, `wrong_answer`, `length` (1 or more) and `spans` (an object of
    `[start, end]` in characters of `clean`). Raises `HeadreuseError` that names every faulty line.
    """
    if len(content) > MOST_BYTES:
        raise HeadreuseError(f"{name}: larger than {MOST_BYTES // 2**20} MiB; give fewer prompts")
    try:
        rows = [(f"line {line}", row) for line, row in rows_in(text_of(content), suffix)]
    except HeadreuseError as error:
        raise HeadreuseError(f"{name}: {error}") from None
    return checked_rows(name, rows)


def checked_rows(name: str, rows: Sequence[tuple[str, Row]]) -> TextPrompts:
    """The prompts in rows of values by column, each with its place; raises one error with all that is wrong."""
    problems = Problems(name)
    if not 0 < len(rows) <= MOST_ROWS:
        problems.add("rows", f"there are {len(rows):,}; give 1 to {MOST_ROWS:,}")
        problems.raise_any()
    places, values = [place for place, _ in rows], []
    for place, row in rows:
        found, wrong = ({}, [row]) if isinstance(row, str) else _checked(row)
        values.append(found)
        for problem in wrong:
            problems.add(place, problem)
    problems.raise_any()
    for place, problem in _unlike(places, values):
        problems.add(place, problem)
    problems.raise_any()
    columns: dict[str, Any] = {column: tuple(row[column] for row in values) for column in values[0]}
    columns["answers"] = columns.pop("answer")
    renamed = {"wrong_answer": "wrong_answers", "length": "lengths"}
    return TextPrompts(
        name=name, places=tuple(places), **{renamed.get(key, key): value for key, value in columns.items()}
    )


def _checked(row: dict[str, object]) -> tuple[dict[str, object], list[str]]:
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


def _unlike(places: Sequence[str], rows: Sequence[dict[str, object]]) -> Iterator[tuple[str, str]]:
    """Rows that lack a column, or a span, that others have."""
    columns = {column for row in rows for column in row}
    names = {span.name for row in rows for span in _of_row(row)}
    for place, row in zip(places, rows, strict=True):
        for column in [column for column in COLUMNS if column in columns - row.keys()]:
            yield place, f"`{column}` is missing, which other lines have; give it to all or to none"
        lacking = names - {span.name for span in _of_row(row)}
        if "spans" in row and lacking:
            yield place, f"`spans` lack {', '.join(sorted(lacking))}, which other lines have; name the same in all"


def _of_row(row: dict[str, object]) -> tuple[Span, ...]:
    spans = row.get("spans", ())
    assert isinstance(spans, tuple)
    return spans


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
