"""Which files of a revision on the Hub are needed, and whether those that came are what the Hub says they are.

Files are chosen by their names: what is not known here, code above all, is never downloaded.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from headreuse.errors import HeadreuseError

CONFIGURATION = "config.json"
WEIGHTS = "model.safetensors"
ADAPTER = "adapter_model.safetensors"
PICKLE = "pytorch_model.bin"
INDEX = ".index.json"
"""Behind the name of weights: the file that says in which shard each tensor lies."""
SMALL = {
    CONFIGURATION,
    "generation_config.json",
    "adapter_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "chat_template.jinja",
}
"""Configuration and tokenizer."""
SHARD = re.compile(r"[\w-]{1,100}(\.[\w-]{1,100}){1,3}")
"""Plain names, with neither a folder nor a path in them."""
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubFile:
    """A file as the Hub lists it."""

    name: str
    size: int
    """In bytes."""
    checksum: str
    """SHA-256 of a large file; of a small one git's SHA-1, which counts a header with the size."""


@dataclass(frozen=True)
class Needed:
    """The files without which a revision is not whole."""

    small: tuple[HubFile, ...]
    weights: tuple[HubFile, ...]

    @property
    def files(self) -> tuple[HubFile, ...]:
        """Small ones first."""
        return self.small + self.weights

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(file.size for file in self.files)


def needed(
    listed: Iterable[HubFile], place: str, read: Callable[[HubFile], Path], *, allow_pickles: bool = False
) -> Needed:
    """The files that are needed of those listed; `read` downloads one, here only the index of weights in shards.

    Weights are safetensors; pickles only where there is nothing else and `allow_pickles` says so. Raises
    `HeadreuseError` where there are none.
    """
    files = {file.name: file for file in listed}
    if CONFIGURATION not in files:
        raise HeadreuseError(f"{place}: {CONFIGURATION} is missing; give a repository of a Transformers model")
    small = [file for name, file in sorted(files.items()) if name in SMALL]
    for name in [WEIGHTS, ADAPTER, *([PICKLE] if allow_pickles else [])]:
        if name in files:
            return Needed(tuple(small), (files[name],))
        if index := files.get(name + INDEX):
            return Needed((*small, index), _shards(read(index), Path(name).suffix, files, place))
    if pickles := [name for name in sorted(files) if name.endswith((".bin", ".pt", ".pth"))]:
        raise HeadreuseError(
            f"{place}: {pickles[0]} is a pickle, which may run code when read, and {WEIGHTS} is missing; "
            f"choose a revision with {WEIGHTS}, or allow pickles, of which tensors alone are read"
        )
    raise HeadreuseError(f"{place}: {WEIGHTS} is missing; choose a revision that has weights")


def is_whole(path: Path, file: HubFile) -> bool:
    """Whether a file has the size and the checksum that the Hub listed."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as stream:
        if len(file.checksum) == 64:
            return hashlib.file_digest(stream, "sha256").hexdigest() == file.checksum
        return hashlib.sha1(b"blob %d\0" % file.size + stream.read()).hexdigest() == file.checksum


def _shards(index: Path, suffix: str, files: dict[str, HubFile], place: str) -> tuple[HubFile, ...]:
    """The files that an index of weights names: all of them listed, and of the same kind as the weights."""
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        plain = all(SHARD.fullmatch(name) and Path(name).suffix == suffix for name in names)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        plain, names = False, []
    if not plain or not names:
        raise HeadreuseError(f"{place}: {index.name} is damaged; the repository's owner must upload it again")
    if missing := [name for name in names if name not in files]:
        raise HeadreuseError(f"{place}: {missing[0]}, which {index.name} names, is missing; choose another revision")
    return tuple(files[name] for name in names)
