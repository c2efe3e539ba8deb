"""What a fine-tuning goes on from after a kill: the last saved state of its weights and its optimiser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from headreuse.records import Checkpoint
from headreuse.store.fingerprints import sha256_of
from headreuse.store.notes import (
    NOTE,
    RESUME_FILES,
    CheckpointNote,
    check_files,
    noted_checkpoint,
    read_note,
    write_note,
)
from headreuse.store.sealing import DamagedError
from headreuse.training.series import TrainedSeries

TRAINED = "trained.safetensors"
"""The weights that are trained; the others are those of the pretrained model."""


class StateSeries(TrainedSeries):
    """The states of one fine-tuning, of which the last alone is kept."""

    def last_whole(self) -> Checkpoint | None:
        """The last state; all that is damaged or of another fine-tuning is deleted: it can be made again."""
        found = []
        for path in self.folder.glob("checkpoint-*"):
            if self._is_whole(path) and (state := noted_checkpoint(path)):
                found.append(state)
            else:
                shutil.rmtree(path)
        return max(found, key=lambda state: state.step, default=None)

    def publish(self, draft: Path, step: int) -> None:
        """Give a saved state its note and its name; then delete those before it."""
        (draft / "training_args.bin").unlink(missing_ok=True)
        files = {file.name: sha256_of(file) for file in sorted(draft.iterdir()) if file.name != NOTE}
        write_note(draft, CheckpointNote(self.group, self.label, step, "", files, settings=self.settings))
        path = self.folder / draft.name
        os.rename(draft, path)
        for other in self._others(path):
            shutil.rmtree(other)

    def _others(self, path: Path) -> Iterator[Path]:
        return (other for other in self.folder.glob("checkpoint-*") if other != path)

    def _is_whole(self, path: Path) -> bool:
        try:
            note = read_note(path)
            if note is None or (note.group, note.label, note.settings) != (self.group, self.label, self.settings):
                return False
            check_files(path, note, sha256_of)
        except DamagedError:
            return False
        return all((path / name).exists() for name in (TRAINED, *RESUME_FILES))
