"""Errors that a user can mend, each in one line: what is wrong, where, and what would be right."""

import errno
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space and run again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run again"),
    errno.EROFS: ("the file system is read-only", "give a path elsewhere"),
    errno.EACCES: ("not allowed", "change its permissions or give another path"),
    errno.EPERM: ("not allowed", "change its permissions or give another path"),
    errno.ENAMETOOLONG: ("the path, or a name in it, is too long", "give a shorter one"),
    errno.ELOOP: ("its links lead in a circle", "give another path"),
    errno.ENOENT: ("no such file or folder", "give a path that is there and is not deleted meanwhile"),
    errno.EISDIR: ("it is a folder", "give the path of a file"),
}
"""What the system's errors mean, and what would be right."""


class HeadreuseError(Exception):
    """A mistake or a condition that the user can mend; its message says all there is to say."""


class UnknownNameError(HeadreuseError, LookupError):
    """A name that nothing is registered under."""


class NothingMeasuredError(HeadreuseError):
    """Asked for results where nothing has been measured yet."""


def nearest(name: str, choices: list[str]) -> str:
    """` (did you mean 'x'?)` with the choice most similar to `name`; empty if none is similar."""
    close = get_close_matches(name, choices, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def one_line(error: OSError, path: Path | str | None = None, *, verb: str = "used") -> str:
    """What the system refused, in the words of this package; `path` where the error itself does not say it."""
    path = path or error.filename
    if path is None:
        # Only the current directory is used without a name.
        gone = error.errno == errno.ENOENT
        return f"{error}; the current directory may be gone: run from another" if gone else str(error)
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and (obstacle := _in_the_way(Path(path))):
        return f"{path}: could not be {verb}: {obstacle}; give another path"
    reason, right = REASONS.get(error.errno or 0, (error.strerror or str(error), "give another path"))
    return f"{path}: could not be {verb}: {reason}; {right}"


def _in_the_way(path: Path) -> str | None:
    """The first part of a path that is there and is no folder."""
    for part in (*reversed(path.parents), path):
        if _is(part.is_symlink) and not _is(part.exists):
            return f"{part} is a link to nothing"
        if _is(part.exists) and not _is(part.is_dir):
            return f"{part} is a file"
    return None


def _is(asked: Callable[[], bool]) -> bool:
    try:
        return asked()
    except OSError:
        return False
