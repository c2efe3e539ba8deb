"""Prompts as a user writes them, before any tokenizer: what a file of them says, and what is wrong in it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headreuse.errors import HeadreuseError, one_line
from headreuse.prompts.row_files import Row, rows_in, text_of
from headreuse.prompts.row_values import COLUMNS, Span, checked_values

MOST_BYTES = 64 * 2**20
"""Of a file of prompts."""
MOST_ROWS = 100_000
MOST_PROBLEMS = 50
"""That are told one by one; more are counted."""


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
        found, wrong = ({}, [row]) if isinstance(row, str) else checked_values(row)
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
