"""Which files of a folder are a model's, and what is wrong with them that can be seen without loading a weight."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from headreuse.errors import HeadreuseError
from headreuse.store.fingerprints import sha256_of

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLE = "pytorch_model.bin"
PICKLE_INDEX = "pytorch_model.bin.index.json"
SLOW_TOKENIZERS = ("tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "merges.txt")
"""Files of tokenizers that are no `tokenizer.json`."""
LEAST_OF_ROWS = 0.9
"""Of an embedding's rows, as many are words: it is padded to a round number, in known models by 3 % at most."""
AGAIN = "save the model again with save_pretrained"


class CheckpointError(HeadreuseError):
    """A checkpoint, or a folder of them, that cannot be used."""


def check_folder(path: Path) -> None:
    """Raise `CheckpointError` unless a folder has a configuration, with a rotary base that Transformers can use."""
    if not path.is_dir():
        raise CheckpointError(f"{path}: no such folder; give a checkpoint-<step> folder")
    if not (path / "config.json").is_file():
        if (path / "adapter_config.json").is_file():
            raise CheckpointError(
                f"{path}: an adapter without its model; merge it (merge_and_unload) and save that with save_pretrained"
            )
        raise CheckpointError(f"{path}: config.json is missing; {AGAIN}")
    for key, value in _numbers(config_of(path)):
        if not math.isfinite(value) and ("rope" in key or "rotary" in key):
            # Transformers would still rotate one pair of dimensions, by an angle of 1 per position.
            raise CheckpointError(
                f"{path}: {key} is {value} in config.json, which still rotates; give it a finite base, or save a model "
                "without position as SmolLM3 whose no_rope_layers are all 0"
            )


def config_of(path: Path) -> dict[str, Any]:
    """What config.json holds; empty where it cannot be read as settings, which loading tells of."""
    try:
        config = json.loads((path / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """The settings of the decoder: those of its text part, where a model has several parts."""
    part = config.get("text_config")
    return part if isinstance(part, dict) else config


def weight_files(path: Path, *, allow_pickles: bool = False) -> list[Path]:
    """The files with the weights; pickles only where they are allowed and nothing safe is there."""
    for whole, index in ((WEIGHTS, INDEX), (PICKLE, PICKLE_INDEX)):
        if whole == PICKLE and not allow_pickles:
            break
        if (path / whole).is_file():
            return [path / whole]
        if (path / index).is_file():
            return _indexed(path, index)
    if parts := sorted(path.glob("model-*.safetensors")):
        raise CheckpointError(f"{path}: {INDEX} is missing beside {parts[0].name}; copy it again or delete the folder")
    if not allow_pickles and (found := sorted([*path.glob("*.bin"), *path.glob("*.pt"), *path.glob("*.pth")])):
        raise CheckpointError(
            f"{path}: {found[0].name} is a pickle, which may run code when read; "
            f"give the weights as {WEIGHTS} (save_pretrained writes it)"
        )
    raise CheckpointError(f"{path}: {WEIGHTS} is missing; copy it again or delete the folder")


def check_tokenizer(path: Path, *, sha256: Callable[[Path], str]) -> None:
    """Raise `CheckpointError` unless a folder has a tokenizer all of whose words have a row in the embedding.

    Tokens that were added to a vocabulary may lie beyond it, as Gemma's for images do. `sha256` gives that of a file.
    """
    file = path / "tokenizer.json"
    if not file.is_file():
        slow = next((name for name in SLOW_TOKENIZERS if (path / name).is_file()), None)
        what = f"only {slow} of a slow tokenizer, and no tokenizer.json" if slow else "no tokenizer.json"
        raise CheckpointError(f"{path}: {what}; save the model's fast tokenizer there with its save_pretrained")
    n_rows = text_config(config_of(path)).get("vocab_size")
    n_words = _n_words(file, sha256(file))
    if isinstance(n_rows, int) and n_words > n_rows:
        raise CheckpointError(
            f"{path}: the tokenizer has {n_words:,} tokens and the embedding {n_rows:,} rows, so it is another "
            "model's; save this model's tokenizer there"
        )


def few_words(path: Path) -> str:
    """A line where a tokenizer has far fewer words than the embedding has rows, which may be meant; else empty."""
    n_rows = text_config(config_of(path)).get("vocab_size")
    n_words = _n_words(path / "tokenizer.json", sha256_of(path / "tokenizer.json"))
    if not isinstance(n_rows, int) or n_words >= LEAST_OF_ROWS * n_rows:
        return ""
    return f"{path}: the tokenizer has {n_words:,} tokens and the embedding {n_rows:,} rows; is it this model's?"


_N_WORDS: dict[str, int] = {}
"""By the SHA-256 of a tokenizer.json: the checkpoints of a series have the same, and it may be large."""


def _n_words(file: Path, sha256: str) -> int:
    """One more than the largest id in a tokenizer's vocabulary."""
    if sha256 not in _N_WORDS:
        try:
            words = json.loads(file.read_bytes())["model"]["vocab"]
            _N_WORDS[sha256] = len(words) if isinstance(words, list) else max(words.values(), default=-1) + 1
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise CheckpointError(
                f"{file.parent}: tokenizer.json is damaged; copy it again, or save the tokenizer again with "
                "save_pretrained"
            ) from None
    return _N_WORDS[sha256]


def _indexed(path: Path, index: str) -> list[Path]:
    """The weight files that an index names."""
    try:
        found = json.loads((path / index).read_text(encoding="utf-8"))
        return [path / Path(name).name for name in sorted(set(found["weight_map"].values()))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CheckpointError(f"{path}: {index} is damaged; {AGAIN}") from None


def _numbers(settings: object, key: str = "") -> Iterator[tuple[str, float]]:
    """Every number with a point in settings, however deep, with the keys that lead to it."""
    if isinstance(settings, float):
        yield key, settings
    elif isinstance(settings, dict):
        for name, value in settings.items():
            yield from _numbers(value, f"{key}.{name}" if key else name)
