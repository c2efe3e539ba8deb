"""What is wrong with a user's task or file, told in one line with the file's own line number."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from headreuse.errors import HeadreuseError

MODULE = "headreuse_own_tasks_"
"""Begins the names of the modules that users' files are loaded as."""


class TaskError(HeadreuseError):
    """What is wrong with a task, without the place."""

    def __init__(self, what: str, line: int | None = None) -> None:
        super().__init__(what)
        self.line = line
        """Of the user's file, where it is known better than the class that the task is."""


@contextmanager
def blaming(what: str) -> Iterator[None]:
    """Within the block, the user's code is at work: whatever it raises is told in one line, as `what`'s fault."""
    try:
        yield
    except TaskError:
        raise
    except (Exception, SystemExit) as error:
        raise TaskError(f"{what} ends with {one_line(error)}", line_of(error)) from error


def one_line(error: BaseException) -> str:
    """`NameError: name 'x' is not defined`, however many lines the message has."""
    what = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(what.split())}".rstrip(": ")


def line_of(error: BaseException) -> int | None:
    """The line of a user's file at which an error arose, or None where none had a part in it."""
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(MODULE):
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(MODULE)]
    return lines[-1] if lines else None
