"""The folder of one run's checkpoints: each appears whole or not at all, and training goes on from the last."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError

from headreuse.errors import HeadreuseError
from headreuse.models.checkpoints import note_whole, verify
from headreuse.records import Checkpoint
from headreuse.store.folder import TRAINING_LOG
from headreuse.store.notes import OTHER_SETTINGS, RESUME_FILES, noted_checkpoint, read_note
from headreuse.store.training_log import Logbook

DRAFTS = ".saving"
"""Folder in a series in which a checkpoint is written before it takes its name."""
CURVES = "curves"
"""Folder in a series for training curves that are reported to TensorBoard or W&B, where a study says so."""


@dataclass(frozen=True)
class TrainedSeries:
    """The checkpoints of one run that is trained here."""

    folder: Path
    group: str
    label: int | str
    """The run's: its seed."""
    settings: str = ""
    """What its training depends on: see `study/settings_digest.py`."""
    heads: Mapping[str, list[int]] = field(default_factory=dict)
    """The query heads that each of its tasks may use; empty where all use all."""

    @property
    def drafts(self) -> Path:
        """Where checkpoints are written before they take their names."""
        return self.folder / DRAFTS

    @property
    def logbook(self) -> Logbook:
        """The accuracy while the run is trained."""
        return Logbook(self.folder / TRAINING_LOG)

    @property
    def curves(self) -> Path:
        """Where training curves are reported to, if they are."""
        return self.folder / CURVES

    def last(self) -> Checkpoint | None:
        """The last checkpoint in the folder; raises if the folder holds another run's checkpoints."""
        found = []
        for path in self.folder.glob("checkpoint-*"):
            note, checkpoint = read_note(path), noted_checkpoint(path)
            if note is None or checkpoint is None:
                raise HeadreuseError(f"{path}: no whole checkpoint of this training; move it away or train elsewhere")
            if (note.group, note.label) != (self.group, self.label):
                raise HeadreuseError(
                    f"{path}: belongs to {note.group} seed {note.label}; "
                    f"train {self.group} seed {self.label} into another folder"
                )
            if note.settings not in ("", self.settings):
                raise HeadreuseError(f"{path}: {OTHER_SETTINGS}; move {self.folder} away, or train into another folder")
            found.append(checkpoint)
        return max(found, key=lambda checkpoint: checkpoint.step, default=None)

    def publish(self, draft: Path, step: int) -> None:
        """Give a saved checkpoint its note and its name; from the renaming on it is there, whole.

        Then thin out the checkpoints before it.
        """
        (draft / "training_args.bin").unlink(missing_ok=True)
        log = self.logbook.checksum(step)
        note_whole(draft, self.group, self.label, step, log=log, settings=self.settings, heads=self.heads)
        path = self.folder / draft.name
        os.rename(draft, path)
        self.drop_resume_files(keep=path)

    def drop_resume_files(self, *, keep: Path | None = None) -> None:
        """Delete what is needed only to go on from a checkpoint, from all checkpoints except `keep`."""
        for path in self.folder.glob("checkpoint-*"):
            if path != keep:
                for name in RESUME_FILES:
                    (path / name).unlink(missing_ok=True)

    def drop_drafts(self) -> None:
        """Delete what a kill left half written."""
        shutil.rmtree(self.drafts, ignore_errors=True)


@contextmanager
def saved(path: Path, draft: Path) -> Iterator[None]:
    """Within the block a checkpoint is written into `draft` and renamed to `path`; disk errors are one line."""
    try:
        yield
    # On a full disk torch raises a RuntimeError and safetensors an error of its own.
    except (OSError, RuntimeError, SafetensorError) as error:
        shutil.rmtree(draft, ignore_errors=True)
        reason = str(error).strip().splitlines()[0]
        raise HeadreuseError(
            f"{path}: could not be saved ({reason}); if the disk is full, free some space, and run again"
        ) from error


def check_can_go_on(last: Checkpoint) -> None:
    """Refuse a checkpoint that is damaged, or whose files for going on are gone."""
    verify(last.path)
    if gone := [name for name in RESUME_FILES if not (last.path / name).exists()]:
        raise HeadreuseError(
            f"{last.path}: {gone[0]} is gone, so training cannot go on from here; "
            f"delete {last.path.parent} to train again"
        )
