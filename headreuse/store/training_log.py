"""Accuracy while a model trains: looks at a few examples, more often than checkpoints are kept.

Lines are appended whole after their step, each with its checksum; a checkpoint notes that of all lines up to its step,
so that lost lines are noticed, too. Training that resumes from a checkpoint first drops the lines of later steps, so
each step stands there once. On one machine's CPU the numbers are those of an uninterrupted training.
"""

import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from io import StringIO
from pathlib import Path

import pandas as pd

from headreuse.store.sealing import DamagedError, read_content
from headreuse.store.writing import append_text, written_whole
from headreuse.study.group import Group

REGIMES = ("in_distribution", "transfer", "beyond")


@dataclass(frozen=True)
class LogLine:
    """One task at one length after one step."""

    step: int
    """The training step after which was looked."""
    task: str
    """The task's name."""
    role: str
    """`main`, or `auxiliary`."""
    length: int
    """The length of the examples."""
    regime: str
    """Where the length lies: see `regime_of`."""
    n: int
    """Examples."""
    accuracy: float
    """Share of them whose whole answer is right."""
    loss: float
    """Cross-entropy per scored token, natural logarithm; as in training."""


COLUMNS = tuple(field.name for field in fields(LogLine))
HEADER = ",".join((*COLUMNS, "crc32")) + "\n"


def regime_of(group: Group, task: str, length: int) -> str:
    """`in_distribution` up to the task's longest training length, `transfer` to `group.transfer_to`, then `beyond`."""
    trained_to = {entry.task: entry.max_length for entry in group.tasks}[task]
    return REGIMES[(length > trained_to) + (length > group.transfer_to)]


@dataclass(frozen=True)
class Logbook:
    """The log of one run."""

    path: Path

    def read(self) -> pd.DataFrame:
        """All whole lines, columns of `LogLine`; none where nothing has been logged; raises `DamagedError`."""
        return as_frame(self._lines())

    def checksum(self, last_step: int) -> str:
        """Of the lines up to that step; empty where there are none."""
        lines = "".join(self._lines(last_step))
        return hashlib.sha256(lines.encode()).hexdigest() if lines else ""

    def check(self, last_step: int, checksum: str) -> None:
        """Raise `DamagedError` unless the lines up to a step are those that had this checksum."""
        if self.checksum(last_step) != checksum:
            raise DamagedError(self.path, f"lines up to step {last_step} are gone or are others", self._mend)

    def cut(self, last_step: int) -> None:
        """Drop what lies after that step, and what a kill left half written."""
        if self.path.exists():
            kept = self._lines(last_step)
            with written_whole(self.path) as draft:
                draft.write_text("".join([HEADER, *kept]), encoding="utf-8")

    def add(self, lines: Iterable[LogLine]) -> None:
        """Add lines at the end."""
        frame = pd.DataFrame([asdict(line) for line in lines], columns=list(COLUMNS))
        text = frame.to_csv(index=False, header=False, float_format="%.6g", lineterminator="\n")
        checked = "".join(f"{line},{_check(line)}\n" for line in text.splitlines())
        append_text(self.path, checked if self.path.exists() else HEADER + checked)

    def _lines(self, last_step: float = float("inf")) -> list[str]:
        """Whole lines below the header, up to a step."""
        try:
            text = read_content(self.path, self._mend).decode(errors="replace")
        except FileNotFoundError:
            return []
        header, *lines = text.split("\n")[:-1] or [HEADER.strip()]
        if f"{header}\n" != HEADER:
            raise DamagedError(self.path, "line 1 names other columns", self._mend)
        for number, line in enumerate(lines, 2):
            values, _, check = line.rpartition(",")
            if check != _check(values):
                raise DamagedError(self.path, f"line {number} does not fit its checksum", self._mend)
        return [f"{line}\n" for line in lines if int(line.partition(",")[0]) <= last_step]

    @property
    def _mend(self) -> str:
        return f"tables are made without it; delete {self.path.parent} to train again"


def as_frame(lines: Iterable[str]) -> pd.DataFrame:
    """Whole lines of a log as a table, columns of `LogLine`."""
    return pd.read_csv(StringIO(HEADER + "".join(lines))).drop(columns="crc32")


def _check(line: str) -> str:
    # Digits alone would be read as a number, with their zeros in front gone.
    return f"x{zlib.crc32(line.encode()):08x}"
