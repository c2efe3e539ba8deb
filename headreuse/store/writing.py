"""Files that are written whole or not at all, and folders in which one process works at a time.

Every file that this package writes is written here, so every error of the disk becomes one line with its path.
"""

import contextlib
import fcntl
import json
import os
import re
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headreuse.errors import HeadreuseError, one_line

SECONDS_BETWEEN_TRIES = 0.2
DRAFT = re.compile(r"\..+\.([0-9a-f]{8})-(\d+)")
"""The name of a draft: that of the file, the machine, and the process that writes it."""


class BusyError(HeadreuseError):
    """Another process is at work where only one may be."""


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Within the block, write to the path given; `path` changes only when the block ends well.

    A kill leaves at most a draft behind, which `drop_drafts` deletes. An error of the disk names the file.
    """
    draft = draft_of(path, this_process())
    with _told(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield draft
            os.replace(draft, path)
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """A folder in which files can be written; raises where it is none, before work is done whose results go there."""
    draft = draft_of(folder / "folder", this_process())
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        draft.touch()
        draft.unlink()


def this_process() -> str:
    """Tells this process from all others that share a folder, also from those of other machines."""
    return f"{_machine()}-{os.getpid()}"


def draft_of(path: Path, process: str) -> Path:
    """The draft of a file by a process, which `this_process` names; `drop_drafts` knows it by its name."""
    return path.with_name(f".{path.name}.{process}")


def drop_drafts(folder: Path) -> None:
    """Delete the drafts anywhere in a folder that processes of this machine left when they were killed."""
    for parent, _, names in os.walk(folder):
        for name in names:
            match = DRAFT.fullmatch(name)
            if match and match[1] == _machine() and not _lives(int(match[2])):
                with _told(Path(parent, name)):
                    Path(parent, name).unlink(missing_ok=True)


def append_text(path: Path, text: str) -> None:
    """Add to the end of a text file."""
    with _told(path), path.open("a", encoding="utf-8") as file:
        file.write(text)


def write_text(path: Path, text: str) -> None:
    """A text file, whole or not at all."""
    with written_whole(path) as draft:
        # A path that is no valid text, as a study's command can hold, has characters that UTF-8 has not.
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, content: Any) -> None:
    """A JSON file, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """What a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


@contextlib.contextmanager
def alone_in(folder: Path, patience: float = 20.0) -> Iterator[None]:
    """Within the block, no other process is in this block for the same folder.

    Waits up to `patience` seconds, since the workers of a killed command take a moment to end, then raises `BusyError`;
    the system takes a killed process's lock away by itself.
    """
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a")
    deadline = time.monotonic() + patience
    with lock:
        while not _locked(lock.fileno()):
            if time.monotonic() > deadline:
                raise BusyError(f"{folder}: another process is at work here; wait for it or end it")
            time.sleep(SECONDS_BETWEEN_TRIES)
        yield


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Within the block, an error of the disk becomes one line with this path."""
    try:
        yield
    except OSError as error:
        raise HeadreuseError(one_line(error, path, verb="written")) from error


def _machine() -> str:
    """Eight digits that tell the machines apart which share a folder."""
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # Of another user.
        return True
    return True
