"""Units: one measurement of one task at one checkpoint each, the smallest piece of work that is kept.

A unit's file is sealed (`sealing.py`), and says whose result it is: a damaged file is never read, nor another's.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from headreuse.records import Checkpoint
from headreuse.store.remembered import Remembered
from headreuse.store.sealing import ENTRY, OPEN, DamagedError, read_content, seal_of, sealed
from headreuse.store.versions import versions
from headreuse.store.writing import written_whole

SHORT = 16
"""Hexadecimal digits of a hash that stand in a name."""


@dataclass(frozen=True)
class Unit:
    """One measurement of one task at one checkpoint."""

    kind: str
    """The measurement's name."""
    version: str
    """Of the measurement's code, and of the code that it builds on."""
    checkpoint: Checkpoint
    task: str
    settings: Mapping[str, Any] = field(hash=False)
    """All else that the result depends on: lengths, method, number of examples, data seed."""

    @cached_property
    def key(self) -> str:
        """Names the file: equal keys mean equal results."""
        parts = [self.kind, self.version, self.checkpoint.fingerprint, self.task, dict(self.settings)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:SHORT]

    def __str__(self) -> str:
        # Other kinds build on a score and have its method, too, but are something else.
        is_score = self.kind == "head_scores" and "method" in self.settings
        return f"{self.settings['method'] if is_score else self.kind} of {self.task}"


@dataclass(frozen=True)
class UnitFiles:
    """The results of a run folder: Parquet files by the fingerprint of the model, so that none is made twice."""

    folder: Path
    remembered: Remembered
    """The seals of files that were found whole."""

    def folder_of(self, checkpoint: Checkpoint) -> Path:
        """Where the results of a checkpoint lie."""
        return self.folder / checkpoint.fingerprint[:SHORT]

    def file(self, unit: Unit) -> Path:
        """Where a unit's result lies."""
        return self.folder_of(unit.checkpoint) / f"{unit.kind}-{unit.task}-{unit.key}.parquet"

    def seal(self, unit: Unit) -> str | None:
        """The checksum of a unit's result; None where there is none; raises `DamagedError`.

        The file is read whole unless it has been found whole on this machine and has not changed since.
        """
        file = self.file(unit)
        try:
            return self.remembered.get(file, lambda file: self._whole(file, unit)[1])
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DamagedError(file, f"it cannot be read: {error.strerror}", self._mend) from None

    def write(self, unit: Unit, frame: pd.DataFrame) -> None:
        """Keep a unit's result, for good, with the settings and versions that it came from."""
        origin = {
            ENTRY: OPEN,
            "key": unit.key,
            "kind": unit.kind,
            "version": unit.version,
            "task": unit.task,
            "settings": dict(unit.settings),
            "step": unit.checkpoint.step,
            "fingerprint": unit.checkpoint.fingerprint,
            "versions": versions(),
        }
        table = pa.Table.from_pandas(frame, preserve_index=False)
        table = table.replace_schema_metadata(
            (table.schema.metadata or {}) | {b"headreuse": json.dumps(origin).encode()}
        )
        floats = [name for name, kind in frame.dtypes.items() if kind.kind == "f"]
        others = [name for name in frame.columns if name not in floats]
        encoding: Any = dict.fromkeys(floats, "BYTE_STREAM_SPLIT")
        with written_whole(self.file(unit)) as draft:
            pq.write_table(table, draft, compression="zstd", use_dictionary=others, column_encoding=encoding)
            draft.write_bytes(sealed(draft.read_bytes()))

    def read(self, unit: Unit) -> pd.DataFrame:
        """A unit's result, checked; raises `DamagedError`."""
        content, _ = self._whole(self.file(unit), unit)
        return pq.read_table(pa.BufferReader(content)).to_pandas()

    def _whole(self, file: Path, unit: Unit) -> tuple[bytes, str]:
        """The content of a unit's file, and its seal."""
        content = read_content(file, self._mend)
        seal = seal_of(file, content, self._mend)
        if f'"{ENTRY}": "{seal}", "key": "{unit.key}"'.encode() not in content:
            raise DamagedError(file, "it holds another measurement", self._mend)
        return content, seal

    @property
    def _mend(self) -> str:
        return f"`headreuse run {self.folder.parent}` sets it aside and measures it again"
