"""Files that are written whole or not at all, and folders in which one process works at a time."""

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headreuse.errors import HeadreuseError

SECONDS_BETWEEN_TRIES = 0.2


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Within the block, write to the path given; `path` changes only when the block ends well.

    A kill leaves at most a dot-named file behind. An error of the disk names the file that could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        os.replace(draft, path)
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror or error)
        raise HeadreuseError(f"{path}: could not be written: {reason}; free some space and run again") from error
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """A text file, whole or not at all."""
    with written_whole(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """A JSON file, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """What a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


@contextlib.contextmanager
def alone_in(folder: Path, patience: float = 20.0) -> Iterator[None]:
    """Within the block, no other process is in this block for the same folder.

    Waits up to `patience` seconds, since the workers of a killed command take a moment to end; the system takes a
    killed process's lock away by itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with (folder / ".lock").open("a") as lock:
        while not _locked(lock.fileno()):
            if time.monotonic() > deadline:
                raise HeadreuseError(f"{folder}: another process is at work here; wait for it or end it")
            time.sleep(SECONDS_BETWEEN_TRIES)
        yield


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
