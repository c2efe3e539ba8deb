"""Which folders on a disk are the checkpoints of which training run."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from headreuse.errors import HeadreuseError
from headreuse.sources.series.names import parse_name

SEED = "{seed}"
SAVED_BY_TRAINER = re.compile(r"checkpoint-\d+")
MODEL_FILES = ("config.json", "*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin")
DEEPEST = 3
"""How deep to search for series to suggest."""

Runs = dict[str, list[Path]]
"""The folders of each run's checkpoints, by the name of the run."""


def is_path(text: str, beside: Path = Path()) -> bool:
    """Whether a text is a path, from a folder, rather than `owner/name` on the Hub or a known name.

    It is one where it looks like one, where something of that name is there, and where the folder that it names first
    is: a slip in `runs/demo` is told as that of a path.
    """
    looks_like_one = text.startswith((".", "/")) or text.endswith("/") or text.count("/") > 1
    place = os.path.join(beside, text)
    return looks_like_one or os.path.exists(place) or ("/" in text and os.path.isdir(os.path.dirname(place)))


def runs_in(places: Iterable[Path]) -> Runs:
    """The runs at several places, each a series, a parent of series, a single model, or a pattern with `{seed}`.

    Single models with a step in their names are one run where they lie in one folder; others are a run each. Raises
    `HeadreuseError` where there is none at a place.
    """
    found: dict[Path, dict[Path, Path]] = {}
    for place in places:
        for folder in _matching(place):
            for run, checkpoints in _runs_at(folder):
                found.setdefault(_absolute(run), {}).update({_absolute(path): path for path in checkpoints})
    labels = _labels(list(found))
    return {labels[run]: list(checkpoints.values()) for run, checkpoints in found.items()}


def _runs_at(folder: Path) -> list[tuple[Path, list[Path]]]:
    """The runs at one place: the folder that names each, and the folders of its checkpoints."""
    if inside := _checkpoints_in(folder):
        return [(folder, inside)]
    if _is_model(folder) or (folder.is_dir() and SAVED_BY_TRAINER.fullmatch(folder.name)):
        return [(_absolute(folder).parent if parse_name(folder.name) else folder, [folder])]
    below = [(path, _checkpoints_in(path) or [path]) for path in _folders_in(folder)]
    runs = [(path, inside) for path, inside in below if inside != [path] or _is_model(path)]
    if not runs:
        raise HeadreuseError(_no_series(folder))
    return runs


def _checkpoints_in(folder: Path) -> list[Path]:
    """The folders with a step in their names, if any of them is a checkpoint; others of them are damaged ones."""
    named = [path for path in _folders_in(folder) if parse_name(path.name)]
    return named if any(SAVED_BY_TRAINER.fullmatch(path.name) or _is_model(path) for path in named) else []


def _is_model(folder: Path) -> bool:
    return folder.is_dir() and any(next(folder.glob(pattern), None) for pattern in MODEL_FILES)


def _folders_in(folder: Path) -> list[Path]:
    """Those that are not hidden, in natural order: 2 before 10."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")), key=_natural)


def _absolute(path: Path) -> Path:
    # Links stay as they are: what they lead to may have a name without a step.
    return Path(os.path.abspath(path))


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _matching(place: Path) -> Sequence[Path]:
    """The place itself, or all that a pattern with `{seed}` in it stands for."""
    before, found, after = str(place).partition(SEED)
    if not found:
        return [place]
    parent, start = Path(before + "_").parent, Path(before + "_").name[:-1]
    end, *rest = after.split("/", 1)
    if SEED in after:
        raise HeadreuseError(f"{place}: {SEED} stands there twice; write it once")
    name = re.compile(rf"{re.escape(start)}\d+{re.escape(end)}")
    matching = [path / Path(*rest) for path in _folders_in(parent) if name.fullmatch(path.name)]
    if not matching:
        raise HeadreuseError(f"{place}: no folder of this pattern is there; {SEED} stands for a number")
    return matching


def _labels(folders: Sequence[Path]) -> dict[Path, str]:
    """The name of each folder, with as many of its parents as tell it from the others."""
    n = 1
    while len({folder.parts[-n:] for folder in folders}) < len(folders):
        n += 1
    return {folder: "-".join(folder.parts[-n:]) for folder in folders}


def _no_series(folder: Path) -> str:
    """What is wrong with a place that has no checkpoints, and which would be right."""
    if not folder.exists():
        return f"{folder}: no such folder; give a folder of checkpoints, or of folders with a step in their names"
    if not folder.is_dir():
        return f"{folder}: a file; give a folder of checkpoints"
    if below := [str(series) for series in _series_below(folder, DEEPEST)]:
        more = f" (and {len(below) - 4} more)" if len(below) > 4 else ""
        return f"{folder}: holds no checkpoints itself; give a series in it: {', '.join(below[:4])}{more}"
    return f"{folder}: no model in it, and no folder with a step in its name such as checkpoint-500"


def _series_below(folder: Path, depth: int) -> Iterator[Path]:
    for path in _folders_in(folder):
        if _checkpoints_in(path):
            yield path
        elif depth > 1:
            yield from _series_below(path, depth - 1)
