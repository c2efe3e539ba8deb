"""Files that carry a checksum of themselves, so that content and checksum are written in one step and never part.

A sealed file is an ordinary JSON or Parquet file with the entry `"sha256": "…"`: the SHA-256 of all its bytes, taken
with zeros in the place of the checksum. It is checked before anything in the file is parsed.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from headreuse.errors import HeadreuseError
from headreuse.store.writing import written_whole

ENTRY = "sha256"
OPEN = "0" * 64
"""Stands where the checksum of a file that is not yet sealed will be."""
_MARK = f'"{ENTRY}": "'.encode()
_ADAPTERS: dict[object, TypeAdapter[Any]] = {}
"""By the kind of record that they check; one takes a moment to make."""

Kind = TypeVar("Kind")


class DamagedError(HeadreuseError):
    """A file that is not as it was written."""

    def __init__(self, path: Path, reason: str, mend: str) -> None:
        super().__init__(f"{path}: damaged ({reason}); {mend}")
        self.path, self.reason, self.mend = path, reason, mend


def sealed(content: bytes) -> bytes:
    """The content of a file with its checksum in the place of `OPEN`."""
    before, mark, after = content.partition(_MARK + OPEN.encode())
    assert mark, "an unsealed file has an open entry"
    assert _MARK not in before + after, "and only one"
    return before + _MARK + hashlib.sha256(content).hexdigest().encode() + after


def seal_of(path: Path, content: bytes, mend: str) -> str:
    """The checksum that a file carries; raises `DamagedError` unless the content is the one that was sealed."""
    at = content.find(_MARK) + len(_MARK)
    found = content[at : at + len(OPEN)]
    if at < len(_MARK) or len(found) < len(OPEN):
        raise DamagedError(path, "it is empty" if not content else "its checksum is gone", mend)
    if hashlib.sha256(content[:at] + OPEN.encode() + content[at + len(OPEN) :]).hexdigest().encode() != found:
        raise DamagedError(path, "it does not fit its checksum", mend)
    return found.decode()


def read_content(path: Path, mend: str) -> bytes:
    """The bytes of a file; raises `FileNotFoundError` where there is none, else `DamagedError` if it is unreadable."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except OSError as error:
        reason = "a folder is in its place" if path.is_dir() else f"it cannot be read: {error.strerror}"
        raise DamagedError(path, reason, mend) from None


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """A sealed JSON file, whole or not at all."""
    text = json.dumps({ENTRY: OPEN} | dict(content), indent=2) + "\n"
    with written_whole(path) as draft:
        draft.write_bytes(sealed(text.encode()))


def read_sealed(path: Path, kind: type[Kind], mend: str) -> Kind:
    """What a sealed JSON file holds, as a record; `mend` says what to do where it is damaged.

    Raises `FileNotFoundError` where there is no file and `DamagedError` where it is not as it was written.
    """
    content = read_content(path, mend)
    seal_of(path, content, mend)
    return parsed(path, content, kind, mend)


def parsed(path: Path, content: bytes, kind: type[Kind], mend: str) -> Kind:
    """JSON as a record; raises `DamagedError` where it is none or has other fields, whatever it holds."""
    try:
        if kind not in _ADAPTERS:
            _ADAPTERS[kind] = TypeAdapter(kind)
        record: Kind = _ADAPTERS[kind].validate_json(content)
        return record
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise DamagedError(path, f"{place}: {first['msg']}" if place else first["msg"], mend) from None
