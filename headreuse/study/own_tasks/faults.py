"""What is wrong with a user's task or file, in one line with a line number of that file."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from headreuse.errors import HeadreuseError
from headreuse.study.showing import on_one_line

MODULE = "headreuse_own_tasks_"
"""The names of the modules that users' files are loaded as begin with this."""


class TaskError(HeadreuseError):
    """What is wrong with a task, without the name of its file."""

    def __init__(self, what: str, line: int | None = None) -> None:
        super().__init__(what)
        self.line = line
        """The line of the user's file at fault; None if it is only known which class is."""


@contextmanager
def blaming(what: str) -> Iterator[None]:
    """Around a call of the user's code: whatever it raises becomes a `TaskError` of one line that names `what`."""
    try:
        yield
    except (TaskError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise TaskError(f"{what} raises {one_line(error)}", line_of(error)) from error


def one_line(error: BaseException) -> str:
    """`NameError: name 'x' is not defined`, however many lines the message has."""
    try:
        what = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:
        # The error is of the user's own making, and so is how it is written.
        what = ""
    return on_one_line(f"{type(error).__name__}: {' '.join(what.split())}".rstrip(": "))


def line_of(error: BaseException) -> int | None:
    """The last line of a user's file that an error passed through; None if it passed through none."""
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(MODULE):
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(MODULE)]
    return lines[-1] if lines else None
