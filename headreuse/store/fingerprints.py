"""Which model is this? A fingerprint of all that a checkpoint's answers depend on."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from headreuse.store.sealing import DamagedError, read_content

TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model")
NOT_THE_MODEL = {"_name_or_path", "transformers_version", "use_cache"}
"""Entries of config.json that change no answer: where it was saved from, by which version, and how it generates."""
MEND = "copy it again, or save the model again with save_pretrained"


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(folder: Path, weights: Sequence[Path], *, sha256: Callable[[Path], str] = sha256_of) -> str:
    """SHA-256 over the weight files, config.json and the tokenizer's files of a checkpoint's folder.

    Two folders have the same one where the model and its tokens are the same, wherever and by whomever it was saved.
    `sha256` gives that of a file; weights and tokenizer are read only there.
    """
    digest = hashlib.sha256()
    for file in weights:
        _add(digest, file.name, sha256(file))
    digest.update(b"\0config.json\0" + json.dumps(_kept_config(folder / "config.json"), sort_keys=True).encode())
    for file in sorted({file for pattern in TOKENIZER_FILES for file in folder.glob(pattern) if file.is_file()}):
        _add(digest, file.name, sha256(file))
    return digest.hexdigest()


def _kept_config(file: Path) -> dict[str, object]:
    try:
        config = json.loads(read_content(file, MEND))
    except (ValueError, RecursionError) as error:
        raise DamagedError(file, str(error), MEND) from None
    if not isinstance(config, dict):
        raise DamagedError(file, "it holds no settings", MEND)
    return {name: value for name, value in config.items() if name not in NOT_THE_MODEL}


def _add(digest: "hashlib._Hash", name: str, content: str) -> None:
    """A file's name and the hash of its content, so that none can run into the next."""
    digest.update(b"\0" + name.encode() + b"\0" + bytes.fromhex(content))
