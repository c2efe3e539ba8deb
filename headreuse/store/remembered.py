"""What reading whole files has shown, kept for the next command: large files are read again only if they changed."""

import contextlib
import json
import os
import platform
import re
import time
import zlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from headreuse.errors import HeadreuseError
from headreuse.store.writing import append_text

SETTLED_NS = 2 * 10**9
"""A file that changed less than this ago is read again: it might change once more within one tick of its clock."""

Stamp = tuple[int, int, int]
"""Size in bytes, and when content and entry last changed, in nanoseconds."""


def this_machine() -> str:
    """A file name for it."""
    return re.sub(r"[^\w.-]", "_", platform.node()) or "machine"


class Remembered:
    """A text for each file, worked out from its content once in a folder and on a machine.

    Lines are added to the file `memory`, by several processes at once if need be. A line that is damaged, or that the
    disk has no room for, costs only that a file is read again.
    """

    def __init__(self, memory: Path, root: Path) -> None:
        self.memory = memory
        self.root = root

    def __reduce__(self) -> tuple[type["Remembered"], tuple[Path, Path]]:
        return Remembered, (self.memory, self.root)

    def get(self, file: Path, find: Callable[[Path], str]) -> str:
        """What `find` says of the file, or said when the file had the same size and times; errors are not kept."""
        key, stamp = os.path.relpath(file, self.root), _stamp(file)
        known = self._known.get(key)
        if known is not None and known[0] == stamp:
            return known[1]
        found = find(file)
        if _stamp(file) == stamp and time.time_ns() - max(stamp[1:]) > SETTLED_NS:
            self._keep(key, stamp, found)
        return found

    def forget(self) -> None:
        """Read every file again that is asked for from now on."""
        self._known = {}

    @cached_property
    def _known(self) -> dict[str, tuple[Stamp, str]]:
        try:
            lines = self.memory.read_bytes().split(b"\n")
        except OSError:
            return {}
        entries = [json.loads(line[:-8]) for line in lines if len(line) > 8 and line[-8:] == _check(line[:-8])]
        return {key: ((size, content, entry), found) for key, size, content, entry, found in entries}

    def _keep(self, key: str, stamp: Stamp, found: str) -> None:
        self._known[key] = (stamp, found)
        line = json.dumps([key, *stamp, found]).encode()
        # Not to remember costs time alone, for example in a folder that can only be read.
        with contextlib.suppress(OSError, HeadreuseError):
            self.memory.parent.mkdir(parents=True, exist_ok=True)
            # The break in front ends a line that a kill or a full disk cut short.
            append_text(self.memory, f"\n{(line + _check(line)).decode()}")


def _stamp(file: Path) -> Stamp:
    found = file.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _check(line: bytes) -> bytes:
    return b"%08x" % zlib.crc32(line)
