"""The rows of a file of transfer: what each says, and every fault of the file at once, with its line."""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO

from headreuse.errors import HeadreuseError, nearest
from headreuse.study.frozen import is_name
from headreuse.study.showing import shown

KEY = "transfer"
"""Of a study file; and the column that a file of transfer always has."""
RUN_COLUMNS = ("run", "seed")
PLACE_COLUMNS = ("group", *RUN_COLUMNS, "step")
OF_ACCURACY = ("gap", "transfer_fraction")
"""The measures of transfer that follow from accuracies by length."""
_REGIMES = ("accuracy_in_distribution", "accuracy_transfer", "accuracy_beyond")
WITH_INTERVAL = OF_ACCURACY + _REGIMES
"""Columns of the table of transfers that have an interval in two columns more."""
OWN_COLUMNS = (
    *("group", "seed", "step"),
    *WITH_INTERVAL,
    *("accuracy_at_max", "accuracy_auxiliary"),
    *(f"{name}_{end}" for name in WITH_INTERVAL for end in ("ci_low", "ci_high")),
)
"""Of the table of transfers, without those that a file adds."""
_TAKEN = frozenset(
    {*OWN_COLUMNS, "tokens", "place", "fingerprint", "overlap", "usable", "measure", "metric", "outcome", "method"}
    | {"main", "auxiliary"}
) - {*PLACE_COLUMNS}
"""Names of columns that other tables have beside transfer."""
_STEP = re.compile(r"([0-9]{1,15})(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class TransferRow:
    """What was measured at one checkpoint."""

    line: int
    """Of the file."""
    group: str | None
    """None where the file has no such column."""
    run: str | None
    """The run's label, or None where the file has no such column."""
    step: int
    values: Mapping[str, float]
    """By measure; without those whose cell is empty."""


def measures_among(columns: Iterable[str]) -> tuple[str, ...]:
    """The columns of a file, or of the table of transfers, that the file adds."""
    return tuple(name for name in columns if name not in OWN_COLUMNS and name not in PLACE_COLUMNS)


@lru_cache(maxsize=8)
def parse_transfer(text: str) -> tuple[TransferRow, ...]:
    """The rows of a file; raises `HeadreuseError` with a line for each fault: `line 3: …`."""
    problems: list[str] = []
    lines = list(_lines(text, problems))
    names = lines[0][1] if lines else []
    if of_header := list(_problems_of_header(names)):
        raise HeadreuseError("\n".join([*of_header, *problems]))
    cells = [(line, dict(zip(names, row, strict=True))) for line, row in lines[1:]]
    for name, problem in list(_columns_of_text(cells, measures_among(names))):
        problems.append(problem)
        cells = [(line, {key: value for key, value in row.items() if key != name}) for line, row in cells]
    found = [_row(line, row, problems) for line, row in cells]
    problems += _repeated(row for row in found if row)
    if not cells and not problems:
        problems.append("it has no rows; give one for each checkpoint at which transfer was measured")
    if problems:
        raise HeadreuseError("\n".join(sorted(problems, key=_line_of)))
    return tuple(row for row in found if row)


@lru_cache(maxsize=8)
def header_of(text: str) -> tuple[str, ...]:
    """The names of a file's columns, in order."""
    lines = next(_lines(text, []), (1, []))
    return tuple(lines[1])


def _lines(text: str, problems: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Every line that is not empty as cells without blanks around them; all have as many as the first."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    n_columns, line = 0, 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                n_columns = n_columns or len(cells)
                if len(cells) != n_columns:
                    problems.append(f"line {line}: it has {len(cells)} values for {n_columns} columns")
                else:
                    yield line, [cell.strip() for cell in cells]
            line = reader.line_num + 1
    except csv.Error as error:
        problems.append(f"line {line}: this is not CSV ({error})")


def _problems_of_header(names: list[str]) -> Iterator[str]:
    right = "columns are run (or seed), step and transfer, perhaps group and further measures, with commas between them"
    for name in ("step", KEY):
        if name not in names:
            yield f"line 1: no column {name}{nearest(name, names)}; {right}"
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"line 1: {shown(name)} names two columns; rename one"
    if set(RUN_COLUMNS) <= set(names):
        yield "line 1: both run and seed are columns; give one of them"
    for name in names:
        if name in _TAKEN:
            yield f"line 1: the tables have a column {name} of their own; rename it, or leave it out"
        elif not is_name(name):
            yield f"line 1: {shown(name)} is no name for a column; use letters, digits, _ and -"


def _columns_of_text(cells: list[tuple[int, dict[str, str]]], measures: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Further columns in which nothing is a number: they hold something else, which needs no line for each row."""
    for name in measures:
        values = [row[name] for _, row in cells]
        if name != KEY and values and not any(_NUMBER.fullmatch(value) for value in values):
            held = next((value for value in values if value), "")
            yield name, f"line 1: unknown column {name}: it holds no number (such as {shown(held)}); leave it out"


def _row(line: int, cells: dict[str, str], problems: list[str]) -> TransferRow | None:
    wrong = [f"line {line}: {what}" for what in _wrong_in(cells)]
    problems += wrong
    if wrong:
        return None
    run = next((cells[name] for name in RUN_COLUMNS if name in cells), None)
    values = {name: float(cells[name]) for name in measures_among(cells) if cells[name]}
    return TransferRow(line, cells.get("group"), run, int(cells["step"].split(".")[0]), values)


def _wrong_in(cells: dict[str, str]) -> Iterator[str]:
    for name in ("group", *RUN_COLUMNS):
        if not cells.get(name, "given"):
            yield f"{name} is empty"
    if not _STEP.fullmatch(cells["step"]):
        yield f"step {shown(cells['step'])} is no whole number"
    for name in measures_among(cells):
        value = cells[name]
        if value and not (_NUMBER.fullmatch(value) and math.isfinite(float(value))):
            yield f"{name} {shown(value)} is no number; leave the cell empty where nothing was measured"


def _repeated(rows: Iterable[TransferRow]) -> Iterator[str]:
    first: dict[tuple[str | None, str | None, int], int] = {}
    for row in rows:
        line = first.setdefault((row.group, row.run, row.step), row.line)
        if line != row.line:
            yield f"line {row.line}: the same checkpoint as line {line}; give it once"


def _line_of(problem: str) -> int:
    found = re.match(r"line ([0-9]+)", problem)
    return int(found[1]) if found else 0
