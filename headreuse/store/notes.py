"""What training notes of a checkpoint when it is whole."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from headreuse.records import Checkpoint
from headreuse.store.sealing import DamagedError, read_sealed, write_sealed

NOTE = "headreuse.json"
"""Written last into a checkpoint, so that one which has it is whole."""

OTHER_SETTINGS = "it was trained with other settings than the study in study.json has"
RESUME_FILES = ("optimizer.pt", "scheduler.pt")
"""Needed to go on from a checkpoint, so kept for the last alone."""


@dataclass(frozen=True)
class CheckpointNote:
    """Which checkpoint of which run this is, and what its files hold."""

    group: str
    label: int | str
    """The run's: a seed, or the name of a series."""
    step: int
    fingerprint: str
    """See `store/fingerprints.py`."""
    files: dict[str, str]
    """SHA-256 of every file beside the note, by its name; some are deleted when training has gone on."""
    log: str = ""
    """Checksum of the lines of the training log up to this step; empty where there is no log."""
    settings: str = ""
    """What training depended on: see `study/settings_digest.py`; empty in notes that do not say."""
    start: str = ""
    """Fingerprint of the pretrained model that it was fine-tuned from; empty where it was trained from scratch."""
    heads: dict[str, list[int]] = field(default_factory=dict)
    """The query heads that each task may use in every layer, where its training confined them; else empty."""


def write_note(folder: Path, note: CheckpointNote) -> None:
    """Note that the checkpoint in this folder is whole."""
    write_sealed(folder / NOTE, asdict(note))


def read_note(folder: Path) -> CheckpointNote | None:
    """The note in this folder; None where training has not completed a checkpoint here; raises `DamagedError`."""
    try:
        return read_sealed(folder / NOTE, CheckpointNote, again(folder))
    except FileNotFoundError:
        return None


def noted_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint that training completed in this folder, or None; its weights are not looked at."""
    note = read_note(folder)
    return None if note is None else Checkpoint(folder, note.step, note.fingerprint)


def check_files(folder: Path, note: CheckpointNote, sha256: Callable[[Path], str]) -> None:
    """Raise `DamagedError` unless the files of a checkpoint are those that it was noted with; `sha256` is of a file."""
    for name, noted in note.files.items():
        file = folder / name
        try:
            if sha256(file) != noted:
                raise DamagedError(file, "it is not what training wrote", again(folder))
        except OSError as error:
            if name not in RESUME_FILES:
                reason = "it is gone" if isinstance(error, FileNotFoundError) else str(error.strerror)
                raise DamagedError(file, reason, again(folder)) from None


def again(folder: Path) -> str:
    """What to do about a damaged checkpoint that was trained here."""
    return f"copy it from elsewhere, or delete {folder.parent} to train again"
