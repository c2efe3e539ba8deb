"""Which model is this? A fingerprint of all that a checkpoint's answers depend on."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model")
NOT_THE_MODEL = {"_name_or_path", "transformers_version", "use_cache"}
"""Entries of config.json that change no answer: where it was saved from, by which version, and how it generates."""
BLOCK = 1 << 20


def fingerprint(folder: Path, weights: Sequence[Path]) -> str:
    """SHA-256 over the weight files, config.json and the tokenizer's files of a checkpoint's folder.

    Two folders have the same one where the model and its tokens are the same, wherever and by whomever it was saved.
    """
    digest = hashlib.sha256()
    for file in weights:
        _add(digest, file.name, file)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kept = {name: value for name, value in config.items() if name not in NOT_THE_MODEL}
    digest.update(b"\0config.json\0" + json.dumps(kept, sort_keys=True).encode())
    for file in sorted({file for pattern in TOKENIZER_FILES for file in folder.glob(pattern) if file.is_file()}):
        _add(digest, file.name, file)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", name: str, file: Path) -> None:
    """A file's name and content; both are hashed apart, so that none can run into the next."""
    with file.open("rb") as stream:
        content = hashlib.file_digest(stream, "sha256").digest()
    digest.update(b"\0" + name.encode() + b"\0" + content)
