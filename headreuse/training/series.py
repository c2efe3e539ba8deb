"""The folder of one run's checkpoints: each appears whole or not at all, and training goes on from the last."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from headreuse.errors import HeadreuseError
from headreuse.models.checkpoints import verify
from headreuse.records import Checkpoint
from headreuse.store.folder import CHECKPOINT_NOTE, own_checkpoint, written_whole

DRAFTS = ".saving"
"""Folder in a series in which a checkpoint is written before it takes its name."""
RESUME_FILES = ("optimizer.pt", "scheduler.pt")
"""Needed to go on from a checkpoint, so kept for the last alone."""


@dataclass(frozen=True)
class Series:
    """The checkpoints of one run."""

    folder: Path
    group: str
    seed: int

    @property
    def drafts(self) -> Path:
        """Where checkpoints are written before they take their names."""
        return self.folder / DRAFTS

    def last(self) -> Checkpoint | None:
        """The last checkpoint in the folder, which may hold none but this run's, lest they be mixed up."""
        found = []
        for path in self.folder.glob("checkpoint-*"):
            checkpoint = own_checkpoint(path)
            if checkpoint is None:
                raise HeadreuseError(f"{path}: no whole checkpoint of this training; move it away or train elsewhere")
            if (checkpoint.group, checkpoint.seed) != (self.group, self.seed):
                other = f"{checkpoint.group} seed {checkpoint.seed}"
                raise HeadreuseError(
                    f"{path}: belongs to {other}; train {self.group} seed {self.seed} into another folder"
                )
            found.append(checkpoint)
        return max(found, key=lambda checkpoint: checkpoint.step, default=None)

    def publish(self, draft: Path, step: int) -> None:
        """Give a saved checkpoint its note and its name, at which moment it is there; then thin out the ones before."""
        (draft / "training_args.bin").unlink(missing_ok=True)
        note = {
            "group": self.group,
            "seed": self.seed,
            "step": step,
            "fingerprint": _fingerprint(draft),
            "weights_bytes": (draft / "model.safetensors").stat().st_size,
        }
        with written_whole(draft / CHECKPOINT_NOTE) as file:
            file.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
        path = self.folder / draft.name
        os.rename(draft, path)
        self.drop_resume_files(keep=path)

    def drop_resume_files(self, *, keep: Path | None = None) -> None:
        """Delete what only going on from a checkpoint needs, but for the one to keep."""
        for path in self.folder.glob("checkpoint-*"):
            if path != keep:
                for name in RESUME_FILES:
                    (path / name).unlink(missing_ok=True)

    def drop_drafts(self) -> None:
        """Delete what a kill left half written."""
        shutil.rmtree(self.drafts, ignore_errors=True)


def check_can_go_on(last: Checkpoint) -> None:
    """Refuse a checkpoint that is damaged or that training had thinned out."""
    verify(last.path)
    if gone := [name for name in RESUME_FILES if not (last.path / name).exists()]:
        raise HeadreuseError(
            f"{last.path}: {gone[0]} is gone, so training cannot go on from here; "
            f"delete {last.path.parent} to train again"
        )


def _fingerprint(folder: Path) -> str:
    with (folder / "model.safetensors").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
