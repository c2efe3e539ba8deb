"""Files of prompts that a study names: their text is kept with the study, so that a run folder needs no other file."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jaxtyping import Int
from numpy import ndarray
from numpy.random import Generator

from headreuse.errors import HeadreuseError
from headreuse.prompts.rows import TextPrompts, parse_prompts
from headreuse.study import limits
from headreuse.study.frozen import Frozen, Name, is_name
from headreuse.study.showing import on_one_line, shown
from headreuse.study.texts import UnreadableError, read_text
from headreuse.tasks import TASKS, Examples, Task

KEY = "prompts"
"""Of a group's main or auxiliary task, in the place of `task`."""


class PromptFile(Frozen):
    """A file of prompts as a study keeps it; as a task it has the name of the file."""

    name: Name
    file: str
    """Its path as the study file writes it; shown in messages and never opened."""
    text: str

    @property
    def rows(self) -> TextPrompts:
        """The prompts in it."""
        return _rows(self.name, self.text, Path(self.file).suffix)

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths that its prompts have, in order; 0 alone where the file gives none."""
        given = self.rows.lengths
        return (0,) if given is None else tuple(sorted(set(given)))

    @property
    def min_length(self) -> int:
        """The smallest of its lengths."""
        return self.lengths[0]

    def chosen(self, length: int, up_to: int | None, n: int) -> TextPrompts:
        """The first `n` prompts of one length, or for length 0 of all up to a length; 0 sets no limit."""
        rows = self.rows
        if rows.lengths is not None and length:
            return rows.picked([index for index, found in enumerate(rows.lengths) if found == length][:n])
        if rows.lengths is not None and up_to:
            return rows.picked([index for index, found in enumerate(rows.lengths) if found <= up_to][:n])
        return rows.picked(range(min(n, len(rows))))

    @property
    def digest(self) -> str:
        """Stands for its content in the keys of measurements."""
        return hashlib.sha256(f"{Path(self.file).suffix}\n{self.text}".encode()).hexdigest()[:16]


class FixedPrompts(Task):
    """A file of prompts among the tasks: it has a name and lengths, and draws nothing."""

    def __init__(self, file: PromptFile) -> None:
        super().__init__()
        self.name, self.min_length = file.name, file.lengths[0]  # type: ignore[misc]
        self._max_length = file.lengths[-1]

    @property
    def max_length(self) -> int | None:
        """Of its longest prompts."""
        return self._max_length

    @property
    def alphabet(self) -> tuple[str, ...]:
        """Raises: its prompts are text."""
        raise self._is_fixed()

    def answer(self, prompt: str) -> str:
        """Raises: the file gives the answers."""
        raise self._is_fixed()

    def generate(self, lengths: Int[ndarray, "example"], generator: Generator) -> Examples:
        """Raises: nothing is drawn."""
        raise self._is_fixed()

    def _is_fixed(self) -> HeadreuseError:
        return HeadreuseError(f"{self.name} is a file of prompts, from which no examples are drawn; name a task")


def with_prompt_files(raw: dict[str, Any], beside: Path) -> tuple[dict[str, Any], list[str]]:
    """A raw study in which the files of prompts stand under `prompts` and are named as tasks; and what is wrong."""
    groups = raw.get("groups")
    if not isinstance(groups, list):
        return raw, []
    found: dict[Path, PromptFile] = {}
    problems: list[str] = []
    changed = [_of_group(group, f"groups[{index}]", beside, found, problems) for index, group in enumerate(groups)]
    return (raw | {"groups": changed, KEY: list(found.values())}) if found else raw, problems


def _of_group(group: Any, place: str, beside: Path, found: dict[Path, PromptFile], problems: list[str]) -> Any:
    if not isinstance(group, dict):
        return group
    changed = dict(group)
    if "main" in group:
        changed["main"] = _named(group["main"], f"{place}.main", beside, found, problems)
    if isinstance(group.get("auxiliary"), list):
        changed["auxiliary"] = [
            _named(entry, f"{place}.auxiliary[{index}]", beside, found, problems)
            for index, entry in enumerate(group["auxiliary"])
        ]
    return changed


def _named(entry: Any, place: str, beside: Path, found: dict[Path, PromptFile], problems: list[str]) -> Any:
    """An entry whose file of prompts is read, named as a task with its longest length."""
    if not isinstance(entry, dict) or KEY not in entry or "task" in entry:
        return entry
    try:
        file = _read(entry[KEY], beside, found)
    except HeadreuseError as error:
        problems += [f"{place}.{KEY}: {line}" for line in str(error).splitlines()]
        return None
    rest = {name: value for name, value in entry.items() if name != KEY}
    return {"task": file.name, "max_length": file.lengths[-1]} | rest


def _read(path: object, beside: Path, found: dict[Path, PromptFile]) -> PromptFile:
    if not isinstance(path, str):
        raise HeadreuseError(f"{shown(path)} is no path; give a file of prompts (JSONL or CSV)")
    where = beside / path
    if where in found:
        return found[where]
    if not is_name(where.stem):
        raise HeadreuseError(f"{shown(path)}: a file of prompts gives its name to a task; use letters, digits, _ and -")
    if where.stem in TASKS:
        raise HeadreuseError(f"{shown(path)} has the name of a task; rename the file")
    if other := next((file for file in found.values() if file.name == where.stem), None):
        raise HeadreuseError(f"{shown(path)} has the name of {shown(other.file)}; rename one of the two")
    try:
        text = read_text(where, limits.PROMPT_FILE_BYTES)
    except UnreadableError as error:
        raise HeadreuseError(f"{on_one_line(path)}: {error}; give the path of a file of prompts") from None
    found[where] = PromptFile(name=where.stem, file=path, text=text)
    # Reads it, and raises what is wrong in it.
    if (longest := found[where].lengths[-1]) > limits.LENGTH:
        most = f"lengths go to {limits.LENGTH:,}, so count in larger units"
        raise HeadreuseError(f"{shown(path)} has prompts of length {longest:,}; {most}")
    return found[where]


@lru_cache(maxsize=64)
def _rows(name: str, text: str, suffix: str) -> TextPrompts:
    return parse_prompts(name, text, suffix)


def file_named(files: Sequence[PromptFile], name: str) -> PromptFile | None:
    """The file of prompts of that name; None where it names a task."""
    return next((file for file in files if file.name == name), None)
