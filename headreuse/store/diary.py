"""What a worker notes on its way through a job, so that it is known where it died and what had failed before."""

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from headreuse.errors import HeadreuseError
from headreuse.store.writing import append_text


@dataclass(frozen=True)
class Told:
    """What a diary says."""

    under_way: str = ""
    """The part that was begun last; empty where none was."""
    failed: dict[str, str] = field(default_factory=dict)
    """By part: a line that says why it failed."""


@dataclass(frozen=True)
class Diary:
    """A file of lines, one for each part that is begun and one for each that fails; it is gone when the job is done."""

    file: Path

    def begin(self, part: str) -> None:
        """Note that a part is under way."""
        self._add([part])

    def fail(self, part: str, reason: str) -> None:
        """Note that a part has failed."""
        self._add([part, reason])

    def end(self) -> None:
        """Nothing needs to be known any more."""
        with contextlib.suppress(OSError):
            self.file.unlink(missing_ok=True)

    def read(self) -> Told:
        """What was noted before the worker died; a line that the death cut short says nothing."""
        try:
            lines = self.file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return Told()
        notes = [json.loads(line) for line in lines if line.endswith("]")]
        failed = {note[0]: note[1] for note in notes if len(note) == 2}
        return Told(next((note[0] for note in reversed(notes) if len(note) == 1), ""), failed)

    def _add(self, note: list[str]) -> None:
        # Where it cannot be written, a death is blamed on the job instead of on the part.
        with contextlib.suppress(OSError, HeadreuseError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            append_text(self.file, json.dumps(note) + "\n")
