"""The rows of a JSONL or CSV file as they stand there, each with its line; what cannot be read is said in its place."""

import csv
import json
from collections.abc import Callable, Iterator
from io import StringIO

from headreuse.errors import HeadreuseError

Row = dict[str, object] | str
"""The values of a row by column, or what is wrong with it."""

LONGEST_CELL = 1_000_000
"""Characters of one value."""


def rows_in(content: str, suffix: str) -> Iterator[tuple[int, Row]]:
    """Every row of a file that ends with `suffix` (`.jsonl` or `.csv`), with its line; empty lines are left out."""
    readers: dict[str, Callable[[str], Iterator[tuple[int, Row]]]] = {".jsonl": _rows_of_jsonl, ".csv": _rows_of_csv}
    if suffix.lower() not in readers:
        raise HeadreuseError(f"{suffix or 'a file without ending'} is not read; prompts are .jsonl or .csv")
    return readers[suffix.lower()](content.removeprefix("\ufeff"))


def text_of(content: str | bytes) -> str:
    """The text of a file's bytes."""
    if isinstance(content, str):
        return content
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise HeadreuseError(f"line {line}: this is not UTF-8; save the file as UTF-8") from None


def value_of_json(text: str) -> object:
    """The value that JSON text stands for; raises `ValueError`, in a few words, for all that JSON does not have."""
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not JSON ({error.msg} at character {error.pos + 1})") from None
    except RecursionError:
        raise ValueError("this is not a row: it is nested too deeply") from None
    except ValueError as error:
        # Python's own words on a number of thousands of digits tell of its settings.
        raise ValueError("a number has too many digits" if "digits" in str(error) else str(error)) from None


def _rows_of_jsonl(content: str) -> Iterator[tuple[int, Row]]:
    # Only \n ends a line of JSONL: str.splitlines would also break at separators that may stand in a text.
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield number, _object_in(line)


def _object_in(line: str) -> Row:
    try:
        value = value_of_json(line)
    except ValueError as error:
        return str(error)
    if not isinstance(value, dict):
        return 'this is no row; give an object, for example {"clean": "1+1=", "answer": "2"}'
    return {name: entry for name, entry in value.items() if entry is not None}


def _rows_of_csv(content: str) -> Iterator[tuple[int, Row]]:
    # The limit is the module's own and would else be 128 KiB; nothing else of the package reads CSV with it.
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(StringIO(content, newline=""), strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if not cells:
                pass
            elif header is None:
                header = [name.strip() for name in cells]
                if len(set(header)) < len(header):
                    yield line, "a column is named twice"
                    return
            else:
                yield line, _named(header, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        yield line, f"this is not CSV ({error})"


def _named(header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        return f"it has {len(cells)} values for {len(header)} columns; put values with commas into double quotes"
    return {name: cell for name, cell in zip(header, cells, strict=True) if cell or name in ("clean", "answer")}


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in it")
    return found


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")
