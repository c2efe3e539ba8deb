"""How a command ends: with one line on stderr at most, and an exit status that says which kind of end it was.

0 is done, 1 is work that failed, 2 is a mistake that the user can mend, 130 is Ctrl-C and 143 a request to end. That a
reader goes away early, as in `| head -1`, is no fault.
"""

import errno
import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

import typer

from headreuse.errors import HeadreuseError, nearest, one_line

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises for a command line that it cannot read; it has no public name."""
LONGEST_LINE = 2000
COMPLETION = "_HEADREUSE_COMPLETE"
"""What shells set where they ask how a command line can go on."""
STOPPED = "headreuse: stopped; nothing finished is lost: the same command goes on from here"


def run_and_exit(app: typer.Typer) -> NoReturn:
    """Run a command line to its end, whatever that is; or tell a shell how a line can go on."""
    if COMPLETION in os.environ:
        app(prog_name="headreuse")
    _open_streams()
    with _ended_by_signals():
        status = _told(lambda: _invoke(app))
        status = _told(_flush) or status
    sys.exit(status)


def say(text: str) -> None:
    """Print on stderr: no line too long to read, and nothing that would steer a terminal."""
    for line in text.split("\n"):
        shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
        if len(shown) > LONGEST_LINE:
            shown = f"{shown[: LONGEST_LINE // 2]} … {shown[-LONGEST_LINE // 2 :]}"
        print(shown, file=sys.stderr, flush=True)


def _told(action: Callable[[], int]) -> int:
    """The status of an action, whose error is told if the user can mend it; others are faults of this package."""
    try:
        return action()
    except HeadreuseError as error:
        message = str(error)
    except BrokenPipeError:
        _silence_what_fails()
        return 0
    except SystemExit as error:
        # So ends rich, which prints the help, where its reader has gone away.
        return 0 if isinstance(error.__context__, BrokenPipeError) else 2
    except OSError as error:
        # Files are named by what writes them; the current folder alone is missed without a name.
        printed = error.filename is None and error.errno != errno.ENOENT
        message = one_line(error, "standard output", verb="written") if printed else one_line(error)
    except MemoryError:
        message = "the memory ran out; ask for less at once, such as smaller sizes or fewer workers"
    with suppress(OSError):
        say(f"headreuse: {message}")
    _silence_what_fails()
    return 2


def _flush() -> int:
    """Write what was printed; raises where standard output takes no more."""
    sys.stdout.flush()
    return 0


def _invoke(app: typer.Typer) -> int:
    """The exit status of the command that the arguments name."""
    # Not `app()`: that turns Ctrl-C into an empty line, and a mistake into several.
    command = typer.main.get_command(app)
    try:
        with command.make_context("headreuse", sys.argv[1:]) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except UsageError as error:
        raise HeadreuseError(_mistake(error)) from None
    return 0


def _mistake(error: Any) -> str:
    """What is wrong with a command line, in one line that names the nearest right option."""
    said = " ".join(error.format_message().split()).rstrip(".")
    if hasattr(error, "possibilities"):
        of_all = _options(error.ctx.parent.command) if error.ctx.parent else []
        if error.option_name in of_all:
            return f"{error.option_name} goes before the command: headreuse {error.option_name} {error.ctx.info_name} …"
        known = [*_options(error.ctx.command), *of_all]
        said = f"No such option: {error.option_name}{nearest(error.option_name, known)}"
    return f"{said} (see `{error.ctx.command_path if error.ctx else 'headreuse'} --help`)"


def _options(command: Any) -> list[str]:
    return [option for parameter in command.params for option in parameter.opts]


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Within the block, Ctrl-C and a request to end stop everything, unless they are to be ignored."""
    usual: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    ours = [number for number, handler in usual.items() if signal.getsignal(number) is handler]
    for number in ours:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, usual[number])


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """End this process and those that it started, now."""
    # No exception, since an `except` of some library could swallow it. All is written whole or not at all, so it may
    # end anywhere, as it may be killed anywhere. `print` may be at work, so the line is written beside it.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    for child in (children := multiprocessing.active_children()):
        child.kill()
    for child in children:
        child.join()
    with suppress(OSError):
        show_cursor = b"\x1b[?25h\n" if os.isatty(2) else b""
        os.write(2, show_cursor + STOPPED.encode() + b"\n")
    os._exit(128 + number)


def _open_streams() -> None:
    """Make stdout and stderr such that every text can be printed to them, also where they are closed or ASCII alone."""
    # A closed stream's number would be given to the next file that is opened, and prints would end up in that.
    with suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(number, True)
        os.close(number)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _silence_what_fails() -> None:
    """Let prints go nowhere where they can go nowhere else, or Python complains when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
