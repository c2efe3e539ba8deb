"""What a run does about damage before it works: damaged results are set aside, damaged checkpoints named."""

from collections.abc import Iterator, Sequence

from headreuse.store.fingerprints import sha256_of
from headreuse.store.folder import RunFolder
from headreuse.store.notes import check_files, read_note
from headreuse.store.sealing import DamagedError
from headreuse.work.progress import RunProgress


def damaged_results(found: Sequence[RunProgress]) -> list[DamagedError]:
    """Each damaged result of a measurement, named once."""
    return list({error.path: error for entry in found for error in entry.damaged}.values())


def set_aside_damaged(folder: RunFolder, found: Sequence[RunProgress]) -> Iterator[str]:
    """Move damaged results away, since they are measured again; a line for each."""
    for error in damaged_results(found):
        folder.set_aside(error.path)
        yield f"{error.path}: damaged ({error.reason}); set aside under {folder.root / 'damaged'} and measured again"


def damaged_checkpoints(folder: RunFolder, found: Sequence[RunProgress]) -> Iterator[str]:
    """A line for each measured checkpoint that was trained here and has other files than training wrote.

    Its results stay, since they were taken from the files as they were. Files are read once on a machine and when they
    change. Checkpoints that lack measurements are checked when they are measured.
    """
    remembered = folder.checkpoint_files
    for entry in found:
        for at in entry.checkpoints:
            note = None if at.missing else read_note(at.checkpoint.path)
            if note is not None:
                try:
                    check_files(at.checkpoint.path, note, lambda file: remembered.get(file, sha256_of))
                except DamagedError as error:
                    yield f"{error}; its results are kept"
