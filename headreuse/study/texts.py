"""Text files that a user names, and the TOML in them, read without harm whatever they turn out to be.

What is no plain file is not opened, so that a pipe cannot hang the command and a device cannot fill the memory.
"""

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from headreuse.errors import HeadreuseError
from headreuse.study import limits
from headreuse.study.showing import on_one_line

# Python checks every beginning of a dotted key, so that one of 100,000 parts takes minutes. The possessive `++` and the
# look behind keep the search linear: each word is tried once.
_PART = r"""(?:[^\s.=\[\]{},#"']++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"""(?<![^\s.=\[\]{{}},#"']){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{limits.KEY_PARTS}}}""")
_DIGITS = re.compile(r"[0-9_]+")
_MOST_DIGITS = 4_000
"""Python reads no decimal number of more than 4,300."""


class UnreadableError(HeadreuseError):
    """Why a file or a text cannot be read, without its name."""


def read_text(path: Path, most_bytes: int) -> str:
    """The text of a plain file in UTF-8, with or without a byte order mark."""
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise UnreadableError("this is a folder")
        if not stat.S_ISREG(kind):
            raise UnreadableError("this is no plain file but a device or a pipe")
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except FileNotFoundError:
        raise UnreadableError("no such file") from None
    except OSError as error:
        raise UnreadableError(f"could not be read: {error.strerror or error}") from None
    except ValueError as error:
        raise UnreadableError(f"no path: {error}") from None
    if len(content) > most_bytes:
        raise UnreadableError(f"has more than {most_bytes:,} bytes, the most that are read")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"not a text in UTF-8 ({error.reason} at byte {error.start})") from None


def parsed_toml(text: str) -> dict[str, Any]:
    """What a TOML text holds."""
    if long := _LONG_KEY.search(text):
        raise UnreadableError(
            f"not valid TOML for a study: a key of more than {limits.KEY_PARTS} parts (at line {_line(text, long)})"
        )
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableError(f"not valid TOML: {on_one_line(str(error))}") from None
    except RecursionError:
        raise UnreadableError(
            f"not valid TOML for a study: nested more than {limits.DEPTH} deep; a study needs 5"
        ) from None
    except ValueError as error:
        numbers = (match for match in _DIGITS.finditer(text) if len(match[0]) > _MOST_DIGITS)
        where = next((f" (at line {_line(text, match)})" for match in numbers), "")
        what = "a number of thousands of digits" if where else on_one_line(str(error))
        raise UnreadableError(f"not valid TOML: {what}{where}; whole numbers go to {limits.DATA_SEED}") from None


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1
