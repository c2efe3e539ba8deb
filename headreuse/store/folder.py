"""The run folder of a study: checkpoints, measurements, tables, report. Every file is written whole or not at all."""

import contextlib
import hashlib
import itertools
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from headreuse.errors import HeadreuseError, one_line
from headreuse.store.remembered import Remembered, this_machine
from headreuse.store.sealing import ENTRY, DamagedError, parsed, read_content, read_sealed, seal_of, write_sealed
from headreuse.store.table_files import TableFiles
from headreuse.store.units import UnitFiles
from headreuse.store.versions import versions
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.reading import parse_study
from headreuse.study.settings_digest import NOT_IN_RESULTS
from headreuse.study.source_specs import SourceSpec

FORMAT = 3
"""Of run folders; raised when an older folder's checkpoints or measurements can no longer be read."""
TRAINING_LOG = "training_log.csv"
"""In a series of checkpoints: the accuracy while it was trained."""
RESTORE = "restore it, or run the study file into a new folder with --out"


@dataclass(frozen=True)
class StudyRecord:
    """What study.json holds."""

    format: int
    study: dict[str, Any]
    versions: dict[str, str]
    command: str
    hash: str


@dataclass(frozen=True)
class Failure:
    """Why a piece of work failed."""

    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


@dataclass(frozen=True)
class EarlierRecord:
    """What study.json of every version holds."""

    study: dict[str, Any]
    format: int = 1


class RunFolder:
    """A study on disk: its checkpoints, per-example results, tables and report."""

    def __init__(self, root: Path) -> None:
        self.root = root
        memory = root / ".checked" / this_machine()
        self.units = UnitFiles(root / "measurements", Remembered(memory / "measurements", root))
        self.checkpoint_files = Remembered(memory / "checkpoints", root)
        """The SHA-256 of files of checkpoints."""
        self.tables = TableFiles(root / "tables")

    @classmethod
    def open(cls, root: Path) -> "RunFolder":
        """An existing run folder."""
        folder = cls(root)
        if not folder.study_file.is_file():
            inside = (
                [child.name for child in root.iterdir() if (child / "study.json").is_file()] if root.is_dir() else []
            )
            hint = (
                f"it holds run folders: {', '.join(sorted(inside))}"
                if inside
                else "`headreuse run STUDY.toml` makes one"
            )
            missing = "no study.json in it" if root.is_dir() else "a file" if root.exists() else "no such folder"
            raise HeadreuseError(f"{root}: not a run folder ({missing}); {hint}")
        return folder

    @classmethod
    def create(cls, root: Path, study: Study, command: str) -> "RunFolder":
        """The run folder of `study`, new or begun earlier; refused where it holds checkpoints of other settings."""
        folder = cls(root)
        if folder.study_file.exists():
            earlier = folder.study
            # Where transfer could not be told, none was asked about.
            new = set() if earlier.question.transfer else {"transfer"}
            if changed := sorted(_changed("primary", earlier.question, study.question, but=new)):
                raise HeadreuseError(
                    f"{root}: asks another primary question ({'; '.join(changed)}), which is fixed before the run; "
                    "ask that one under [primary], or give another folder with --out"
                )
            if changed := sorted(_training_differences(earlier, study, folder._is_begun)):
                raise HeadreuseError(
                    f"{root}: holds a study trained with other settings ({'; '.join(changed)}); "
                    "give another folder with --out, or delete this one"
                )
            if earlier == study:
                return folder
        contents = {
            "format": FORMAT,
            "study": study.model_dump(mode="json"),
            "versions": versions(),
            "command": command,
            "hash": hashlib.sha256(study.model_dump_json().encode()).hexdigest()[:16],
        }
        write_sealed(folder.study_file, contents)
        return cls(root)

    def _is_begun(self, group: Group) -> bool:
        """Whether checkpoints may have been made or measured; none has where its series could never be listed."""
        return group.source is None or self.series_file(group.name).exists()

    @property
    def study_file(self) -> Path:
        """The frozen study."""
        return self.root / "study.json"

    @property
    def report_file(self) -> Path:
        """The page."""
        return self.root / "report.html"

    @cached_property
    def study_record(self) -> dict[str, Any]:
        """All of study.json: format, study, versions, command, hash. Read once."""
        content = read_content(self.study_file, RESTORE)
        if f'"{ENTRY}"'.encode() not in content:
            self._refuse_other_format(parsed(self.study_file, content, EarlierRecord, RESTORE).format)
        seal_of(self.study_file, content, RESTORE)
        self._refuse_other_format(parsed(self.study_file, content, EarlierRecord, RESTORE).format)
        return asdict(parsed(self.study_file, content, StudyRecord, RESTORE))

    def _refuse_other_format(self, found: int) -> None:
        if found != FORMAT:
            other = "an earlier" if found < FORMAT else "another"
            raise HeadreuseError(
                f"{self.root}: made by {other} version of headreuse (format {found}, this version reads {FORMAT}); "
                "run its study into a new folder with --out, or read this one with the version that made it"
            )

    @cached_property
    def study(self) -> Study:
        """The study that this folder holds, parsed once and handed on."""
        return parse_study(self.study_record["study"], str(self.study_file))

    def series_folder(self, group: str, label: int | str) -> Path:
        """Where the `checkpoint-<step>` folders of a run that is trained here lie."""
        return self.root / "checkpoints" / group / (f"seed-{label}" if isinstance(label, int) else label)

    def training_log_file(self, group: str, label: int | str) -> Path:
        """Where the accuracy during one run's training lies."""
        return self.series_folder(group, label) / TRAINING_LOG

    def series_file(self, group: str) -> Path:
        """Where it is noted which checkpoints a group takes from elsewhere."""
        return self.root / "series" / f"{group}.json"

    def error_file(self, key: str) -> Path:
        """Where it is said why a piece of work failed."""
        return self.root / "errors" / f"{key}.json"

    def write_error(self, key: str, what: str, reason: str) -> None:
        """Say why a piece of work failed; it is tried again on the next run."""
        write_sealed(self.error_file(key), asdict(Failure(what, reason)))

    def clear_error(self, key: str) -> None:
        """Forget a failure that has been mended."""
        file = self.error_file(key)
        try:
            file.unlink(missing_ok=True)
        except OSError:
            self.set_aside(file)

    def errors(self) -> list[str]:
        """One line for each piece of work that failed and has not been done since; a damaged note is one, too."""
        return [str(failure) for failure in self._failures()]

    def damaged_errors(self) -> list[DamagedError]:
        """Notes of failures that cannot be read; they stop nothing."""
        return [failure for failure in self._failures() if isinstance(failure, DamagedError)]

    def _failures(self) -> Iterator[Failure | DamagedError]:
        for file in sorted(self.root.glob("errors/*.json")):
            try:
                yield read_sealed(file, Failure, "a note of a failure; delete it")
            except DamagedError as error:
                yield error
            except FileNotFoundError:
                # Another process has mended what failed, just now.
                continue

    def set_aside(self, path: Path) -> None:
        """Move a damaged file of this folder under `damaged/`, where it keeps its place and name."""
        place = self.root / "damaged" / path.relative_to(self.root)
        places = itertools.chain([place], (place.with_name(f"{place.name}.{number}") for number in itertools.count(2)))
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.rename(path, next(free for free in places if not os.path.lexists(free)))
        except OSError as error:
            raise HeadreuseError(one_line(error, path, verb="set aside")) from error


def _training_differences(earlier: Study, later: Study, is_begun: Callable[[Group], bool]) -> Iterator[str]:
    """What of two studies would give other checkpoints under the same name; adding seeds or groups changes none."""
    begun = [group for group in earlier.groups if is_begun(group)]
    if not begun:
        return
    for name in ("alphabet_size", "grid_size", "data_seed"):
        if getattr(earlier, name) != getattr(later, name):
            yield f"{name}: {getattr(earlier, name)} there, {getattr(later, name)} now"
    kept = {group.name: group for group in later.groups}
    for group in begun:
        if group.name in kept:
            yield from _group_differences(earlier, group, later, kept[group.name])


def _group_differences(earlier: Study, group: Group, later: Study, now: Group) -> Iterator[str]:
    yield from _changed(f"{group.name}.model", earlier.model_of(group), later.model_of(now))
    yield from _changed(f"{group.name}.training", group.training, now.training, but=NOT_IN_RESULTS)
    if group.is_trained_here and group.twins != now.twins:
        yield f"{group.name}.twins: {group.twins} there, {now.twins} now"
    if group.heads != now.heads:
        yield f"{group.name}.heads: {group.heads_by_task or 'all'} there, {now.heads_by_task or 'all'} now"
    if group.tasks != now.tasks:
        yield f"{group.name}: other tasks or lengths"
    if not _same_source(group.source, now.source):
        yield f"{group.name}: its checkpoints came from elsewhere"
    for task in group.task_names:
        if earlier.task_file(task) != later.task_file(task):
            yield f"{group.name}: the file of its task {task} was another"


def _same_source(there: SourceSpec | None, now: SourceSpec | None) -> bool:
    return there is now if there is None or now is None else there.gives_same(now)


def _changed(place: str, there: BaseModel, now: BaseModel, *, but: Collection[str] = ()) -> Iterator[str]:
    """A line for each field of two settings of one kind that differs."""
    for name in type(there).model_fields:
        if name not in but and getattr(there, name) != getattr(now, name):
            values = [settings.model_dump(mode="json")[name] for settings in (there, now)]
            yield f"{place}.{name}: {values[0]} there, {values[1]} now"
