"""What is wrong with a run folder, and what mends it."""

import json
from collections.abc import Iterator
from pathlib import Path

from headreuse.errors import HeadreuseError
from headreuse.store.fingerprints import sha256_of
from headreuse.store.folder import RunFolder
from headreuse.store.sealing import DamagedError
from headreuse.tables.make import up_to_date
from headreuse.tables.results import Results
from headreuse.work.mending import damaged_results
from headreuse.work.progress import missing


def faults(results: Results) -> list[str]:
    """What is damaged or missing of that which tables are made from, and of tables, one line each."""
    folder = results.folder
    lines = [line for entry in results.progress for line in entry.problems]
    lines += [str(error) for error in damaged_results(results.progress)]
    lines += [str(error) for error in [*results.damaged_logs(), *folder.tables.damaged()]]
    if lacking := missing(results.progress, train=True, measure=True):
        lines.append(f"{folder.root}: not complete ({lacking}); `headreuse run {folder.root}` goes on")
    return lines


def out_of_date(results: Results) -> list[str]:
    """A line where tables are there that were not made from what is measured now."""
    folder = results.folder
    if not any(folder.tables.folder.glob("*.csv")) or up_to_date(results):
        return []
    return [f"{folder.tables.folder}: out of date; `headreuse report {folder.root}` makes the tables again"]


def all_faults(folder: RunFolder) -> list[str]:
    """What `faults` says, and damaged checkpoints and notes of failures; every file is read, however often before."""
    folder.units.remembered.forget()
    folder.checkpoint_files.forget()
    try:
        results = Results(folder)
        lines = [*faults(results), *out_of_date(results), *changed_models(results), *map(str, folder.damaged_errors())]
    except DamagedError as error:
        # Without its study nothing says what else a folder should hold.
        return [str(error)]
    return lines


def as_json(root: Path, lines: list[str]) -> str:
    """The same for programs: the folder, whether it is whole, and the lines."""
    return json.dumps({"folder": str(root), "whole": not lines, "faults": lines}, indent=2)


def changed_models(results: Results) -> Iterator[str]:
    """A line for each checkpoint whose files are not those that were saved; reads what changed since it was read."""
    # Loads torch, which only this and work need.
    from headreuse.models.checkpoints import verify_same

    remembered = results.folder.checkpoint_files
    for entry in results.progress:
        for at in entry.checkpoints:
            try:
                verify_same(at.checkpoint, sha256=lambda file: remembered.get(file, sha256_of))
            except HeadreuseError as error:
                yield str(error)
