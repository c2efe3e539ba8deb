"""What training notes of a checkpoint when it is whole."""

from dataclasses import asdict, dataclass
from pathlib import Path

from headreuse.records import Checkpoint
from headreuse.store.writing import read_json, write_json

NOTE = "headreuse.json"
"""Written last into a checkpoint, so that one which has it is whole."""


@dataclass(frozen=True)
class CheckpointNote:
    """Which checkpoint of which run this is."""

    group: str
    label: int | str
    """The run's: a seed, or the name of a series."""
    step: int
    fingerprint: str
    """See `store/fingerprints.py`."""
    weights_bytes: int


def write_note(folder: Path, note: CheckpointNote) -> None:
    """Note that the checkpoint in this folder is whole."""
    write_json(folder / NOTE, asdict(note))


def read_note(folder: Path) -> CheckpointNote | None:
    """The note in this folder; None where training has not completed a checkpoint here."""
    file = folder / NOTE
    return CheckpointNote(**read_json(file)) if file.is_file() else None


def noted_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint that training completed in this folder, or None; its weights are not looked at."""
    note = read_note(folder)
    return None if note is None else Checkpoint(folder, note.step, note.fingerprint)
