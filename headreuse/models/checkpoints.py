"""Find the checkpoints of a training run, ours or another's, make sure that each is whole, and load one."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM, PreTrainedModel

from headreuse.errors import HeadreuseError
from headreuse.models.architectures import quiet_transformers
from headreuse.records import Checkpoint
from headreuse.store.fingerprints import fingerprint, sha256_of
from headreuse.store.notes import NOTE, CheckpointNote, again, check_files, noted_checkpoint, read_note, write_note
from headreuse.store.sealing import DamagedError

STEP = re.compile(r"checkpoint-(\d+)")
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
DEEPEST = 3
"""How deep to search for series to suggest."""


class CheckpointError(HeadreuseError):
    """A checkpoint, or a folder of them, that cannot be used."""


@dataclass(frozen=True)
class Skipped:
    """A checkpoint that cannot be used."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Series:
    """The checkpoints of one training run, in the order of their steps."""

    checkpoints: tuple[Checkpoint, ...]
    skipped: tuple[Skipped, ...]


def discover(folder: Path) -> Series:
    """The checkpoints in `folder`, each verified; those that are not whole are listed with the reason."""
    paths = _checkpoint_folders(folder)
    if not paths:
        raise CheckpointError(_no_series(folder))
    checkpoints, skipped = [], []
    for path in paths:
        try:
            verify(path)
            checkpoints.append(noted_checkpoint(path) or Checkpoint(path, _step(path), fingerprint_of(path)))
        except CheckpointError as error:
            skipped.append(Skipped(path, str(error).removeprefix(f"{path}: ")))
    return Series(tuple(checkpoints), tuple(skipped))


def verify(path: Path) -> None:
    """Raise `CheckpointError` unless all weights of the model are there, and no others, as they were noted."""
    verify_files(path)
    # On the meta device all names and shapes are compared and no weight is kept.
    _load(path, device_map="meta")


def verify_files(path: Path, *, sha256: Callable[[Path], str] = sha256_of) -> None:
    """Raise `CheckpointError` unless the files of a checkpoint are whole; whether they fit, loading them says.

    Of one that was trained here, every file is the one that training wrote; `sha256` gives that of a file.
    """
    _check_folder(path)
    for file in _weight_files(path):
        try:
            with safe_open(file, framework="pt"):
                pass
        except (OSError, SafetensorError) as error:
            size = f"{file.stat().st_size} bytes" if file.is_file() else "missing"
            raise CheckpointError(
                f"{path}: {file.name} ({size}) is truncated or damaged ({error}); copy it again or delete the folder"
            ) from None
    _compare_with_note(path, sha256)


def verify_same(checkpoint: Checkpoint, *, sha256: Callable[[Path], str] = sha256_of) -> None:
    """Raise `CheckpointError` unless a checkpoint is whole and still the model that its fingerprint is of."""
    sha256 = cache(sha256)
    verify_files(checkpoint.path, sha256=sha256)
    if fingerprint_of(checkpoint.path, sha256=sha256) != checkpoint.fingerprint:
        raise CheckpointError(f"{checkpoint.path}: it is another model than when it was found; copy it again")


def note_whole(path: Path, group: str, label: int | str, step: int, *, log: str = "", settings: str = "") -> None:
    """Note that the checkpoint in a folder is whole, with the checksums of its files."""
    files = {file.name: sha256_of(file) for file in sorted(path.iterdir()) if file.is_file() and file.name != NOTE}
    model = fingerprint(path, _weight_files(path), sha256=lambda file: files[file.name])
    write_note(path, CheckpointNote(group, label, step, model, files, log, settings))


def fingerprint_of(path: Path, *, sha256: Callable[[Path], str] = sha256_of) -> str:
    """SHA-256 of a checkpoint's weights, configuration and tokenizer: equal where the model and its tokens are."""
    try:
        return fingerprint(path, _weight_files(path), sha256=sha256)
    except DamagedError as error:
        raise CheckpointError(f"{path}: {error.path.name} is damaged ({error.reason}); {error.mend}") from None


def load_model(path: Path, *, device: str | torch.device = "cpu", attn_implementation: str = "sdpa") -> PreTrainedModel:
    """The model in float32 and in evaluation mode."""
    # `to` is decorated in a way that hides its arguments from a type checker.
    model: Any = _load(Path(path), attn_implementation=attn_implementation)
    return model.to(device).eval()


def load_bridge(path: Path) -> Any:
    """The model as a TransformerLens `TransformerBridge`, in float32 and in evaluation mode.

    Pass it token ids: given text it would prepend a second BOS.
    """
    # Takes seconds to import, and only this function needs it.
    from transformer_lens.model_bridge import TransformerBridge

    verify(path)
    if not any(path.glob("tokenizer*")):
        raise CheckpointError(f"{path}: TransformerLens wants a tokenizer beside the weights; save one there")
    with quiet_transformers():
        return TransformerBridge.boot_transformers(str(path), device="cpu", dtype=torch.float32).eval()


def _check_folder(path: Path) -> None:
    if not path.is_dir():
        raise CheckpointError(f"{path}: no such folder; give a checkpoint-<step> folder")
    if not (path / "config.json").is_file():
        raise CheckpointError(f"{path}: config.json is missing; save the model again with save_pretrained")


def _load(path: Path, **settings: Any) -> PreTrainedModel:
    _check_folder(path)
    try:
        with quiet_transformers():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                path,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                dtype=torch.float32,
                **settings,
            )
    # What a damaged or unusual configuration makes Transformers raise is of any kind.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{path}: cannot be loaded ({reason}); is it a whole causal language model?") from error
    model, found = loaded
    for kind in ("missing", "unexpected", "mismatched"):
        if keys := sorted(key if isinstance(key, str) else key[0] for key in found[f"{kind}_keys"]):
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            what = "weights of another shape than config.json says" if kind == "mismatched" else f"{kind} weights"
            raise CheckpointError(f"{path}: {what}: {keys[0]}{more}; save the model again with save_pretrained")
    return model


def _weight_files(path: Path) -> list[Path]:
    if (path / WEIGHTS).is_file():
        return [path / WEIGHTS]
    if (path / INDEX).is_file():
        return _indexed(path)
    if pickles := sorted([*path.glob("*.bin"), *path.glob("*.pt"), *path.glob("*.pth")]):
        raise CheckpointError(
            f"{path}: {pickles[0].name} is a pickle, which may run code when read; "
            f"give the weights as {WEIGHTS} (save_pretrained writes it)"
        )
    raise CheckpointError(f"{path}: {WEIGHTS} is missing; copy it again or delete the folder")


def _indexed(path: Path) -> list[Path]:
    """The weight files that an index names."""
    try:
        index = json.loads((path / INDEX).read_text(encoding="utf-8"))
        return [path / Path(name).name for name in sorted(set(index["weight_map"].values()))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CheckpointError(f"{path}: {INDEX} is damaged; save the model again with save_pretrained") from None


def _compare_with_note(path: Path, sha256: Callable[[Path], str]) -> None:
    """Compare a checkpoint that was trained here with what training noted of it."""
    try:
        note = read_note(path)
        if note is None:
            return
        check_files(path, note, sha256)
    except DamagedError as error:
        raise CheckpointError(f"{path}: {error.path.name} is damaged ({error.reason}); {error.mend}") from None
    # Files that were added may make another tokenizer.
    if fingerprint_of(path, sha256=sha256) != note.fingerprint:
        raise CheckpointError(
            f"{path}: it has files that training did not write, so it is another model; {again(path)}"
        )


def _step(path: Path) -> int:
    match = STEP.fullmatch(path.name)
    assert match, path
    return int(match[1])


def _checkpoint_folders(folder: Path) -> list[Path]:
    """The `checkpoint-<step>` folders in a folder, by step."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if path.is_dir() and STEP.fullmatch(path.name)), key=_step)


def _no_series(folder: Path) -> str:
    """What is wrong with a folder that has no checkpoints in it, and which would be right."""
    if not folder.exists():
        return f"{folder}: no such folder; give a folder of checkpoint-<step> folders"
    if not folder.is_dir():
        return f"{folder}: a file; give a folder of checkpoint-<step> folders"
    if STEP.fullmatch(folder.name) or (folder / "config.json").is_file():
        return f"{folder}: a single checkpoint; its series is {folder.absolute().parent}"
    if below := [str(series) for series in _series_below(folder, DEEPEST)]:
        more = f" (and {len(below) - 4} more)" if len(below) > 4 else ""
        return f"{folder}: holds no checkpoints itself; give a series in it: {', '.join(below[:4])}{more}"
    return f"{folder}: no checkpoint-<step> folders in it; give a folder that has them"


def _series_below(folder: Path, depth: int) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            if _checkpoint_folders(path):
                yield path
            elif depth > 1:
                yield from _series_below(path, depth - 1)
