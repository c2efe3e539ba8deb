"""The tables of a run folder as CSV, and a note of what each was made from and of its checksum."""

import csv
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path

import pandas as pd

from headreuse.store.sealing import DamagedError, read_content, read_sealed, write_sealed
from headreuse.store.writing import alone_in, written_whole

MEND = "it is set aside and made again when tables are next made"
PATIENCE = 120.0
"""Seconds to wait for another process that writes tables."""


@dataclass(frozen=True)
class MadeTables:
    """Which tables are there."""

    inputs: str
    """The key of what they were made from."""
    checksums: dict[str, str]
    """SHA-256 of each file, by the table's name."""


@dataclass(frozen=True)
class TableFiles:
    """Tables are believed only where the note says so.

    The note is deleted before the first of them is written and written after the last, so a kill in between leaves
    tables without a note, which are made again; a file that differs from the note is damaged.
    """

    folder: Path

    def file(self, name: str) -> Path:
        """Where a table lies."""
        return self.folder / f"{name}.csv"

    @property
    def note_file(self) -> Path:
        """Where the note lies."""
        return self.folder / ".made.json"

    def read(self, names: Iterable[str], inputs: str) -> dict[str, pd.DataFrame] | None:
        """The tables of these names; None unless all are there, whole, and made from these inputs."""
        note = self._note()
        if not isinstance(note, MadeTables) or note.inputs != inputs:
            return None
        found = {name: self._content(name) for name in names}
        if any(note.checksums.get(name) != _checksum(content) for name, content in found.items()):
            return None
        return {name: _parsed(content.decode()) for name, content in found.items()}

    def write(self, tables: Mapping[str, pd.DataFrame], inputs: str) -> dict[str, pd.DataFrame]:
        """Keep tables, made from what `inputs` is the key of; returns them as they will be read."""
        texts = {name: frame.to_csv(index=False, quoting=csv.QUOTE_MINIMAL) for name, frame in tables.items()}
        checksums = {name: _checksum(text.encode()) for name, text in texts.items()}
        with alone_in(self.folder, PATIENCE):
            self.note_file.unlink(missing_ok=True)
            for name, text in texts.items():
                with written_whole(self.file(name)) as draft:
                    draft.write_bytes(text.encode())
            write_sealed(self.note_file, asdict(MadeTables(inputs, checksums)))
        return {name: _parsed(text) for name, text in texts.items()}

    def damaged(self) -> list[DamagedError]:
        """Files that are not as they were written; none while another process writes them."""
        note = self._note()
        if not isinstance(note, MadeTables):
            return [*([note] if note else []), *_folders_in_place_of(sorted(self.folder.glob("*.csv")))]
        files = {self.file(name): checksum for name, checksum in note.checksums.items()}
        found = [error for path, checksum in files.items() if (error := _damage(path, checksum))]
        return found if self._note() == note else []

    def _note(self) -> MadeTables | DamagedError | None:
        try:
            return read_sealed(self.note_file, MadeTables, MEND)
        except FileNotFoundError:
            return None
        except DamagedError as error:
            return error

    def _content(self, name: str) -> bytes:
        try:
            return read_content(self.file(name), MEND)
        except (FileNotFoundError, DamagedError):
            return b""


def _folders_in_place_of(tables: Iterable[Path]) -> list[DamagedError]:
    return [DamagedError(path, "a folder is in its place", MEND) for path in tables if path.is_dir()]


def _damage(path: Path, checksum: str) -> DamagedError | None:
    """What is wrong with a table; nothing where it is gone, since it is only made again then."""
    try:
        content = read_content(path, MEND)
    except FileNotFoundError:
        return None
    except DamagedError as error:
        return error
    fits = _checksum(content) == checksum
    return None if fits else DamagedError(path, "it is not the table that was made", MEND)


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _parsed(text: str) -> pd.DataFrame:
    """A table from its text; pandas reads none without columns."""
    return pd.read_csv(StringIO(text)) if text.strip() else pd.DataFrame()
