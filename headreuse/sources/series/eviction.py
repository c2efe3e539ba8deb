"""What goes when the cache of the Hub's files grows larger than it may be."""

import contextlib
import fcntl
from pathlib import Path

from headreuse.sources.series.cache import EVICTING, NOTES, Revision, blob_of, files_in, is_ours, locked, size_of, told
from headreuse.sources.series.hub_files import COMMIT


def kept_size(cache: Path) -> int:
    """Bytes of what this package has brought into a cache; a blob that revisions share counts once."""
    blobs = {blob_of(link) for note in _ours(cache) for link in files_in(_of(cache, note).folder)}
    return sum(size_of(blob) for blob in blobs)


def evict(cache: Path, keep: int, *, coming: int = 0) -> list[str]:
    """Delete revisions that nobody uses until at most `keep` bytes are left, those used longest ago first.

    Only those go that this package has brought and that no name in `refs` stands for. `coming` bytes are about to be
    added. Returns a line for each that went.
    """
    gone = []
    for note in sorted(_ours(cache), key=_last_used):
        if kept_size(cache) + coming <= keep:
            break
        revision = _of(cache, note)
        with contextlib.suppress(BlockingIOError), locked(note.with_suffix(".lock"), fcntl.LOCK_EX | fcntl.LOCK_NB):
            _delete(revision)
            gone.append(f"{revision.repo}: revision {revision.commit[:12]} is evicted from {cache}")
    return gone


def drop_drafts(revision: Revision) -> None:
    """Delete what killed downloads of its repository left half done; those that go on hold a lock."""
    for draft in revision.root.glob("blobs/*.incomplete"):
        lock = revision.cache / ".locks" / revision.root.name / f"{draft.name.split('.')[0]}.lock"
        with contextlib.suppress(BlockingIOError), locked(lock, fcntl.LOCK_EX | fcntl.LOCK_NB), told(draft):
            draft.unlink(missing_ok=True)


def _delete(revision: Revision) -> None:
    """First the blobs that are of this revision alone, so that a kill leaves links to nothing, which are mended."""
    with locked(revision.notes / EVICTING, fcntl.LOCK_EX), told(revision.folder):
        snapshots = [folder for folder in (revision.root / "snapshots").glob("*") if folder != revision.folder]
        others = {blob_of(link) for folder in snapshots for link in files_in(folder)}
        links = files_in(revision.folder)
        blobs = {blob for link in links if (blob := blob_of(link)).is_relative_to(revision.root / "blobs")}
        for path in [*(blobs - others), *links]:
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            revision.folder.rmdir()
        revision.note.unlink(missing_ok=True)


def _of(cache: Path, note: Path) -> Revision:
    repo_folder = note.parent.parent.name
    return Revision(cache, repo_folder.removeprefix("models--").replace("--", "/", 1), note.stem)


def _ours(cache: Path) -> list[Path]:
    """The notes of revisions that may be evicted."""
    notes = [note for note in cache.glob(f"models--*/{NOTES}/*.json") if COMMIT.fullmatch(note.stem)]
    return [note for note in notes if is_ours(note) and note.stem not in _named(note.parent.parent)]


def _named(root: Path) -> set[str]:
    """The commits that a branch or tag stands for, which another tool has asked for by its name."""
    return {ref.read_text().strip() for ref in (root / "refs").rglob("*") if ref.is_file()}


def _last_used(note: Path) -> int:
    try:
        return note.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
