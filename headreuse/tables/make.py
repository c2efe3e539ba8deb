"""From measurements to the tables; they are made anew only when something that they are made from changed."""

import hashlib
import json
from collections.abc import Sequence

import pandas as pd
from pandas.api import types

from headreuse.errors import NothingMeasuredError
from headreuse.store.folder import RunFolder
from headreuse.tables.base import TABLES, CheckpointTable, Design, StudyTable, derive
from headreuse.tables.results import MeasuredCheckpoint, Results


def make_tables(folder: RunFolder) -> dict[str, pd.DataFrame]:
    """All tables of a run folder by name; read where they are whole and up to date, else made and kept.

    A damaged one is set aside.
    """
    results = Results(folder)
    inputs = _inputs(results)
    if (found := folder.tables.read(TABLES, inputs)) is not None:
        return with_like_labels(found)
    made = compute_tables(results)
    for error in folder.tables.damaged():
        folder.set_aside(error.path)
    return with_like_labels(folder.tables.write(made, inputs))


def with_like_labels(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables whose runs fit each other: where one of them has names, in its file, the seeds of all are text."""
    if not any("seed" in table and types.is_string_dtype(table["seed"]) for table in tables.values() if len(table)):
        return tables
    return {name: table.astype({"seed": str}) if "seed" in table else table for name, table in tables.items()}


def up_to_date(results: Results) -> bool:
    """Whether the tables are whole and made from what is there."""
    return results.folder.tables.read(TABLES, _inputs(results)) is not None


def compute_tables(results: Results) -> dict[str, pd.DataFrame]:
    """All tables by name."""
    of_checkpoints = [table for table in TABLES.values() if isinstance(table, CheckpointTable)]
    rows: dict[str, list[pd.DataFrame]] = {table.name: [] for table in of_checkpoints}
    # One checkpoint after the other, so that its measurements are read once and then forgotten.
    for checkpoint in results.checkpoints():
        for table in of_checkpoints:
            rows[table.name].append(_placed(checkpoint, table.rows(checkpoint)))
    if not all(any(map(len, rows[name])) for name in ("accuracy", "head_scores")):
        raise NothingMeasuredError("nothing has been measured yet; `headreuse run` trains and measures what is missing")
    tables = {name: stacked_frames(frames) for name, frames in rows.items()}
    tables |= {table.name: table.make(results) for table in TABLES.values() if isinstance(table, StudyTable)}
    tables = derive(tables, Design(results.study.groups, results.study.question))
    return {name: tables[name] for name in TABLES}


def _inputs(results: Results) -> str:
    """Changes when anything does that the tables follow from: measurements, study, or the code of a table."""
    versions = {name: table.version for name, table in TABLES.items()}
    return hashlib.sha256(json.dumps([results.key, versions], sort_keys=True).encode()).hexdigest()


def _placed(checkpoint: MeasuredCheckpoint, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the columns in front that say which checkpoint they are of."""
    place = pd.DataFrame(checkpoint.place, index=rows.index)
    return pd.concat([place, rows], axis=1)


def stacked_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table of all; frames without rows, as of a task trained alone, have no say in the columns' types."""
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
