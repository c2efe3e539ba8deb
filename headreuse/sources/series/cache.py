"""The folder in which what was downloaded from the Hub lies, and what of it may go when it grows too large.

It is the cache of `huggingface_hub`, which other tools share. Beside its `blobs` and `snapshots`, `.headreuse` notes of
each revision that this package has used which files it has, and holds the locks by which processes respect each other.
The system takes the lock of a killed process away.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from headreuse.errors import HeadreuseError, one_line
from headreuse.sources.series.hub_files import COMMIT, HubFile
from headreuse.store.writing import read_json, write_json

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
NOTES = ".headreuse"
EVICTING = "evicting.lock"
CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,3})?)\s*([A-Za-z]*)\s*")


def cache_folder() -> Path:
    """Where the cache is, as the environment says at this moment: `HF_HUB_CACHE`, or `hub` in `HF_HOME`."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(name):
            return Path(os.path.expandvars(os.environ[name])).expanduser()
    user = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(os.path.expandvars(os.environ.get("HF_HOME") or user / "huggingface")).expanduser() / "hub"


def repository_folder(cache: Path, repo: str) -> Path:
    """Where `huggingface_hub` has a repository of models."""
    return cache / ("models--" + repo.replace("/", "--"))


def size_in_bytes(size: int | str | None) -> int | None:
    """`"20 GB"` as a number of bytes; numbers and None as they are."""
    if isinstance(size, str):
        match = SIZE.fullmatch(size)
        if match is None or match[2].upper() not in UNITS:
            raise HeadreuseError(f'keep: {size!r} is no size; write it as "20 GB", "500 MB" or a number of bytes')
        size = round(float(match[1]) * UNITS[match[2].upper()])
    if size is not None and size < 0:
        raise HeadreuseError(f"keep: {size} is no size; give 0 or more bytes")
    return size


def in_words(size: float) -> str:
    """A number of bytes, as `1.4 GB`."""
    unit = next(unit for unit in ("TB", "GB", "MB", "KB", "B") if size >= UNITS[unit] or unit == "B")
    return f"{size / UNITS[unit]:.3g} {unit}"


@dataclass(frozen=True)
class Listing:
    """The branches and tags of a repository as they were read last."""

    cache: Path
    repo: str

    @property
    def file(self) -> Path:
        """Where they are kept."""
        return repository_folder(self.cache, self.repo) / NOTES / "refs.json"

    def read(self) -> dict[str, str] | None:
        """Names with their commits; None where nothing is kept that can be read."""
        try:
            refs = {str(name): str(commit) for name, commit in read_json(self.file).items()}
        except (OSError, ValueError, AttributeError):
            return None
        return refs if all(COMMIT.fullmatch(commit) for commit in refs.values()) else None

    def write(self, refs: dict[str, str]) -> None:
        """Keep them; a cache that cannot be written to keeps none."""
        with contextlib.suppress(HeadreuseError):
            write_json(self.file, refs)


@dataclass(frozen=True)
class Revision:
    """One commit of a repository in the cache."""

    cache: Path
    repo: str
    commit: str

    def __post_init__(self) -> None:
        # It becomes part of paths.
        assert COMMIT.fullmatch(self.commit), self.commit

    @property
    def root(self) -> Path:
        """The folder of the repository."""
        return repository_folder(self.cache, self.repo)

    @property
    def folder(self) -> Path:
        """Where its files lie, as links to the blobs that revisions share."""
        return self.root / "snapshots" / self.commit

    @property
    def notes(self) -> Path:
        """The folder of this package."""
        return self.root / NOTES

    @property
    def note(self) -> Path:
        """Which files the Hub lists, and whether this package has brought them."""
        return self.notes / f"{self.commit}.json"

    def listed(self) -> tuple[HubFile, ...] | None:
        """The files that the Hub has listed, as they were noted; None where nothing is noted that can be read."""
        try:
            return tuple(HubFile(**file) for file in read_json(self.note)["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def found(self) -> tuple[HubFile, ...]:
        """The files that are there, whoever brought them: blobs are named by their checksums."""
        blobs = [(link.name, blob_of(link)) for link in files_in(self.folder)]
        return tuple(
            HubFile(name, size_of(blob), blob.name)
            for name, blob in blobs
            if CHECKSUM.fullmatch(blob.name) and blob.is_file()
        )

    def note_listed(self, files: tuple[HubFile, ...]) -> None:
        """Keep what the Hub lists. What other tools have brought is never evicted."""
        brought = is_ours(self.note) or not self.folder.exists()
        write_json(self.note, {"ours": brought, "files": [asdict(file) for file in files]})

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Within the block nobody evicts it."""
        # Nobody deletes from a cache that is only read, and no lock can be made in it.
        writable = os.access(self.cache, os.W_OK) or not self.cache.exists()
        with locked(self.notes / f"{self.commit}.lock", fcntl.LOCK_SH) if writable else contextlib.nullcontext():
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    os.utime(self.note)

    def drop(self, name: str) -> None:
        """Delete one of its files, which is damaged, so that it can be downloaded again."""
        link = self.folder / name
        with told(link):
            if blob_of(link).is_relative_to(self.root / "blobs"):
                blob_of(link).unlink(missing_ok=True)
            link.unlink(missing_ok=True)

    def settled(self, names: list[str]) -> bool:
        """Whether files are there, and stay so whatever others evict: a shared blob may have gone meanwhile."""
        with locked(self.notes / EVICTING, fcntl.LOCK_EX):
            return all((self.folder / name).is_file() for name in names)


@contextlib.contextmanager
def locked(path: Path, kind: int) -> Iterator[None]:
    """Within the block a lock of `fcntl` is held.

    Raises `BlockingIOError` where it is another's and `kind` says not to wait.
    """
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
    with file:
        fcntl.flock(file, kind)
        yield


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Within the block, an error of the disk becomes one line."""
    try:
        yield
    except OSError as error:
        raise HeadreuseError(one_line(error, path, verb="written")) from error


def files_in(folder: Path) -> list[Path]:
    """All that lies in a folder and below it, links to nothing too; what others delete meanwhile is left out."""
    return [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]


def blob_of(link: Path) -> Path:
    """What a link in a snapshot stands for; where there are no links, the file itself."""
    try:
        return Path(os.path.normpath(link.parent / os.readlink(link)))
    except OSError:
        return link


def size_of(blob: Path) -> int:
    """In bytes; 0 of one that is gone."""
    try:
        return blob.stat().st_size
    except FileNotFoundError:
        return 0


def is_ours(note: Path) -> bool:
    """Whether this package has brought the revision of a note."""
    try:
        return read_json(note)["ours"] is True
    except (OSError, ValueError, KeyError, TypeError):
        return False
