"""Values and places as a TOML file writes them, short enough for a message and free of what a terminal would obey."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from itertools import islice

MOST_CHARACTERS = 60
"""Of a text that is shown whole."""
MOST_ITEMS = 6
MOST_DEPTH = 3
MOST_DIGITS = 40
MOST_OF_A_LINE = 600
_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
_BARE = re.compile(r"[A-Za-z0-9_-]{1,60}")

Place = tuple[int | str, ...]
"""The keys and indices that lead to a value."""


def shown(value: object, depth: int = 0) -> str:
    """A value as TOML writes it: `true`, `"x"`, `[1, 2]`, `{ a = 1 }`; what is long is cut, what is none is named."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return _whole_number(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        items = (f"{key_shown(str(key))} = {shown(item, depth + 1)}" for key, item in value.items())
        return f"{{ {_some(items, len(value), depth)} }}" if value else "{}"
    if isinstance(value, Sequence):
        return f"[{_some((shown(item, depth + 1) for item in value), len(value), depth)}]"
    return f"a {type(value).__name__}"


def key_shown(key: str) -> str:
    """A key, in quotes where TOML needs them."""
    return key if _BARE.fullmatch(key) else _text(key)


def place_shown(where: Place) -> str:
    """`groups[0].main.task`; `study` for the whole of it."""
    place = ""
    for part in where:
        if isinstance(part, int):
            place += f"[{part}]"
        else:
            place += f".{key_shown(part)}" if place else key_shown(part)
    return place or "study"


def on_one_line(text: str) -> str:
    """A message without line breaks or other unprintable characters, cut where it is very long."""
    text = text if len(text) <= MOST_OF_A_LINE else text[:MOST_OF_A_LINE] + "…"
    return "".join(c if c.isprintable() else _escaped(c) for c in " ".join(text.splitlines()))


def _text(text: str) -> str:
    start = "".join(_escaped(c) for c in text[:MOST_CHARACTERS])
    return f'"{start}"' if len(text) <= MOST_CHARACTERS else f'"{start}…" ({len(text):,} characters)'


def _escaped(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    code = ord(character)
    return character if character.isprintable() else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _whole_number(number: int) -> str:
    # Python refuses to write numbers of more than a few thousand digits; three bits are a little less than a digit.
    n_digits = number.bit_length() * 3 // 10 + 1
    return str(number) if n_digits <= MOST_DIGITS else f"a whole number of about {n_digits:,} digits"


def _some(items: Iterator[str], n: int, depth: int) -> str:
    if depth >= MOST_DEPTH:
        return "…"
    return ", ".join([*islice(items, MOST_ITEMS), *(["…"] if n > MOST_ITEMS else [])])
