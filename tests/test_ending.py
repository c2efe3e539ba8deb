"""How commands end: one line for every mistake, streams of every kind, Ctrl-C.

Covers `command/ending.py`, `command/options.py` and `command/stages.py`.
"""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headreuse import __version__
from headreuse.cli import app, main
from headreuse.command.ending import LONGEST_LINE, say

COMMANDS = [command.callback.__name__ for command in app.registered_commands]


def headreuse(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command line, run in this process."""
    monkeypatch.setattr(sys, "argv", ["headreuse", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    return ended.value.code, told.out, told.err


def test_a_shell_is_told_how_a_line_can_go_on(monkeypatch, capsys):
    monkeypatch.setenv("_HEADREUSE_COMPLETE", "complete_bash")
    for words, place, told in (("headreuse sta", 1, "status\n"), ("headreuse status --wa", 2, "--watch\n")):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(place))
        assert headreuse(monkeypatch, capsys) == (0, told, "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rn"], "No such command 'rn'. Did you mean 'run'? (see `headreuse --help`)"),
        (["run", "x", "--ou", "y"], "No such option: --ou (did you mean '--out'?) (see `headreuse run --help`)"),
        (["run", "x", "--quiet"], "--quiet goes before the command: headreuse --quiet run …"),
        (["run", "x", "--quite"], "No such option: --quite (did you mean '--quiet'?) (see `headreuse run --help`)"),
        (["tasks", "--zzz"], "No such option: --zzz (see `headreuse tasks --help`)"),
        (["run"], "Missing argument 'STUDY' (see `headreuse run --help`)"),
        (["status", ""], "'' is no path; give one"),
        (["status", "a\0b"], "'a\\x00b' is no path; give one"),
        (["run", "x", "--shard", "0/0"], "'0/0' is no part such as 1/4"),
        (["run", "x", "--shard", "1/" + 5000 * "9"], "is no part such as 1/4"),
        (["run", "x", "--workers", "-1"], "Invalid value for '--workers'"),
        (["run", "x", "--workers", 5000 * "9"], "'--workers'"),
        (["run", "x", "--engine", "procesess"], "(did you mean 'processes'?); give processes or ray"),
        (["status", 300 * "x"], "the path, or a name in it, is too long; give a shorter one"),
        (["status", __file__], f"{__file__}: not a run folder (a file)"),
        (["status", "\x1b[2J"], r"\x1b[2J: not a run folder"),
        (["tasks", "copy", "--show", 10**12], "--show"),
        (["tasks", "copy", "--length", 10**9], "--length"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(arguments, told, monkeypatch, capsys):
    status, out, err = headreuse(monkeypatch, capsys, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("headreuse: ")
    assert told in err
    assert len(err) <= LONGEST_LINE + 10


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "120")
    status, out, _ = headreuse(monkeypatch, capsys, command, "--help")
    assert status == 0
    assert f"Example: headreuse {command} " in out


def test_without_a_command_the_help_is_shown(monkeypatch, capsys):
    status, out, _ = headreuse(monkeypatch, capsys)
    assert status == 0
    assert all(command in out for command in COMMANDS)


def test_the_package_is_a_command_and_says_its_version():
    done = subprocess.run([sys.executable, "-m", "headreuse", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"headreuse {__version__}\n", "")


def test_what_would_steer_a_terminal_or_fill_it_is_not_printed_as_it_is(capsys):
    say("title \x1b]0;x\x07\nsecond " + 10**6 * "x")
    first, second = capsys.readouterr().err.splitlines()
    assert first == r"title \x1b]0;x\x07"
    assert len(second) < LONGEST_LINE + 10


PRINTS = """
import sys, typer
from headreuse.command.ending import run_and_exit
app = typer.Typer()
@app.command()
def prints(n: int):
    for _ in range(n):
        print("prompt → answer")
run_and_exit(app)
"""
FULL = "headreuse: standard output: could not be written: the disk is full; free some space and run again\n"


@pytest.mark.parametrize(
    ("shell", "expected"),
    [
        ("{} 100000 | head -1; echo ${{PIPESTATUS[0]}}", ("prompt → answer\n0\n", "")),
        ("{} 9 >/dev/full; echo $?", ("2\n", FULL)),
        ("{} 100000 >/dev/full; echo $?", ("2\n", FULL)),
        ("{} 9 >&-; echo $?", ("0\n", "")),
        ("PYTHONIOENCODING=ascii {} 1; echo $?", ("prompt \\u2192 answer\n0\n", "")),
        ("{} no-number 2>&-; echo $?", ("2\n", "")),
    ],
)
def test_streams_that_are_gone_full_closed_or_ascii(shell, expected, tmp_path):
    (tmp_path / "prints.py").write_text(PRINTS)
    command = shell.format(f"{sys.executable} {tmp_path / 'prints.py'}")
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": ""}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, env=environment)
    assert (done.stdout, done.stderr) == expected


def test_memory_that_runs_out_and_a_current_folder_that_is_gone_are_one_line(monkeypatch, capsys, tmp_path):
    def fail_with(error: BaseException) -> tuple[int, str, str]:
        def raises(_path: Path) -> bool:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(Path, "is_dir", raises)
            return headreuse(patched, capsys, "run", "x.toml")

    for error, told in (
        (MemoryError(), "the memory ran out; ask for less"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "the current directory may be gone"),
        (PermissionError(errno.EACCES, "Permission denied", "x.toml"), "x.toml: could not be used: not allowed"),
    ):
        status, _, err = fail_with(error)
        assert (status, err.count("\n")) == (2, 1)
        assert told in err
    with pytest.raises(ZeroDivisionError):  # a fault of the package keeps its traceback
        fail_with(ZeroDivisionError())


SLEEPS = """
import os, signal, sys, time, typer
from dataclasses import dataclass
from pathlib import Path
from headreuse.command.ending import run_and_exit
from headreuse.work.engines import run_in_processes

@dataclass(frozen=True)
class Sleep:
    folder: Path
    cost: float = 1.0
    alone: bool = False
    def run(self, tell):
        (self.folder / f"pid-{os.getpid()}").touch()
        time.sleep(100)
        return []

# Where the tests run in the background of a script, its shell has Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
app = typer.Typer()
@app.command()
def sleeps(folder: Path):
    run_in_processes([Sleep(folder), Sleep(folder)], lambda _: [], n_workers=2, n_threads=1)

if __name__ == "__main__":
    run_and_exit(app)
"""


@pytest.mark.parametrize(
    ("number", "to_all", "status"),
    [
        (signal.SIGINT, True, 130),
        (signal.SIGTERM, False, 143),
        (signal.SIGTERM, True, 143),
        (signal.SIGKILL, False, -signal.SIGKILL),
    ],
)
def test_a_signal_ends_the_command_with_one_line_and_all_its_workers(number, to_all, status, tmp_path):
    (tmp_path / "sleeps.py").write_text(SLEEPS)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "sleeps.py"), str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: len(list(tmp_path.glob("pid-*"))) == 2)
    workers = [int(path.name.removeprefix("pid-")) for path in tmp_path.glob("pid-*")]
    assert all(blocks(worker, signal.SIGINT) and not blocks(worker, signal.SIGTERM) for worker in workers)
    (os.killpg if to_all else os.kill)(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    if number != signal.SIGKILL:
        assert err == "headreuse: stopped; nothing finished is lost: the same command goes on from here\n"
        assert not any(map(lives, workers))
    wait_until(lambda: not any(map(lives, workers)))


def wait_until(happened, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


def blocks(process: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    return bool(int(status.split("SigBlk:")[1].split()[0], 16) & 1 << (number - 1))


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
