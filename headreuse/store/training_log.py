"""Accuracy while a model trains: looks at a few examples, more often than checkpoints are kept.

Lines are appended whole after their step. Training that resumes from a checkpoint first drops the lines of later steps,
so each step stands there once. On one machine's CPU the numbers are those of an uninterrupted training.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from io import StringIO
from pathlib import Path

import pandas as pd

from headreuse.errors import HeadreuseError
from headreuse.store.writing import written_whole
from headreuse.study.config import Group

REGIMES = ("in_distribution", "transfer", "beyond")


@dataclass(frozen=True)
class LogLine:
    """One task at one length after one step."""

    step: int
    task: str
    role: str
    length: int
    regime: str
    """Where the length lies: see `regime_of`."""
    n: int
    """Examples."""
    accuracy: float
    """Share of them whose whole answer is right."""
    loss: float
    """Cross-entropy per scored token, natural logarithm; as in training."""


COLUMNS = tuple(field.name for field in fields(LogLine))


def regime_of(group: Group, task: str, length: int) -> str:
    """`in_distribution` up to the task's longest training length, `transfer` to `group.transfer_to`, then `beyond`."""
    trained_to = {entry.task: entry.max_length for entry in group.tasks}[task]
    return REGIMES[(length > trained_to) + (length > group.transfer_to)]


@dataclass(frozen=True)
class Logbook:
    """The log of one run."""

    path: Path

    def read(self) -> pd.DataFrame:
        """All whole lines, columns of `LogLine`; none where nothing has been logged."""
        return pd.read_csv(StringIO(",".join(COLUMNS) + "\n" + "".join(self._lines())))

    def cut(self, last_step: int) -> None:
        """Drop what lies after that step, and what a kill left half written."""
        if self.path.exists():
            kept = [line for line in self._lines() if int(line.split(",", 1)[0]) <= last_step]
            with written_whole(self.path) as draft:
                draft.write_text("".join([",".join(COLUMNS) + "\n", *kept]), encoding="utf-8")

    def add(self, lines: Iterable[LogLine]) -> None:
        """Add lines at the end."""
        frame = pd.DataFrame([asdict(line) for line in lines], columns=list(COLUMNS))
        text = frame.to_csv(index=False, header=not self.path.exists(), float_format="%.6g", lineterminator="\n")
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise HeadreuseError(f"{self.path}: could not be written: {error.strerror}; free some space") from error

    def _lines(self) -> list[str]:
        """Whole lines below the header."""
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        return [line for line in text.splitlines(keepends=True)[1:] if line.endswith("\n")]
