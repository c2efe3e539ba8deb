"""The run folder of a study: checkpoints, measurements, tables, report. Every file is written whole or not at all."""

import csv
import hashlib
import json
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel

from headreuse.errors import HeadreuseError
from headreuse.store.units import UnitFiles
from headreuse.store.versions import versions
from headreuse.store.writing import read_json, write_json, write_text, written_whole
from headreuse.study.config import Group, Study
from headreuse.study.reading import as_it_was_trained, parse_study

FORMAT = 2
"""Of run folders; raised when an older folder's checkpoints or measurements can no longer be read."""
TRAINING_LOG = "training_log.csv"
"""In a series of checkpoints: the accuracy while it was trained."""


class RunFolder:
    """A study on disk: its checkpoints, per-example results, tables and report."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.units = UnitFiles(root / "measurements")

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
            missing = "no study.json in it" if root.is_dir() else "no such folder"
            raise HeadreuseError(f"{root}: not a run folder ({missing}); {hint}")
        return folder

    @classmethod
    def create(cls, root: Path, study: Study, command: str) -> "RunFolder":
        """The run folder of `study`, new or begun earlier; refused where it holds checkpoints of other settings."""
        folder = cls(root)
        if folder.study_file.exists():
            earlier = folder.study
            if changed := sorted(_changed("primary", earlier.question, study.question)):
                raise HeadreuseError(
                    f"{root}: asks another primary question ({'; '.join(changed)}), which is fixed before the run; "
                    "ask that one under [primary], or give another folder with --out"
                )
            if changed := sorted(_training_differences(earlier, study)):
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
        write_json(folder.study_file, contents)
        return cls(root)

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
        try:
            record = read_json(self.study_file)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise HeadreuseError(
                f"{self.study_file}: not valid JSON ({error}); restore it or start a new folder"
            ) from None
        if not isinstance(record, dict) or "study" not in record:
            raise HeadreuseError(f"{self.study_file}: holds no study; restore it or start a new folder")
        if (found := record.get("format", 1)) != FORMAT:
            other = "an earlier" if found == 1 else "another"
            raise HeadreuseError(
                f"{self.root}: made by {other} version of headreuse (format {found}, this version reads {FORMAT}); "
                "run its study into a new folder with --out, or read this one with the version that made it"
            )
        return record

    @cached_property
    def study(self) -> Study:
        """The study that this folder holds, parsed once and handed on."""
        return parse_study(as_it_was_trained(self.study_record["study"]), str(self.study_file))

    def series_folder(self, group: str, label: int | str) -> Path:
        """Where the `checkpoint-<step>` folders of a run that is trained here lie."""
        return self.root / "checkpoints" / group / (f"seed-{label}" if isinstance(label, int) else label)

    def training_log_file(self, group: str, label: int | str) -> Path:
        """Where the accuracy during one run's training lies."""
        return self.series_folder(group, label) / TRAINING_LOG

    def error_file(self, key: str) -> Path:
        """Where it is said why a piece of work failed."""
        return self.root / "errors" / f"{key}.json"

    def write_error(self, key: str, what: str, reason: str) -> None:
        """Say why a piece of work failed; it is tried again on the next run."""
        write_json(self.error_file(key), {"what": what, "reason": reason})

    def clear_error(self, key: str) -> None:
        """Forget a failure that has been mended."""
        self.error_file(key).unlink(missing_ok=True)

    def errors(self) -> list[str]:
        """One line for each piece of work that failed and has not been done since."""
        files = sorted(self.root.glob("errors/*.json"))
        return [f"{entry['what']}: {entry['reason']}" for entry in map(read_json, files)]

    def table_file(self, name: str) -> Path:
        """Where a table lies."""
        return self.root / "tables" / f"{name}.csv"

    def write_table(self, name: str, frame: pd.DataFrame, inputs: str) -> None:
        """Keep a table, and `inputs`, the key of what it was made from."""
        with written_whole(self.table_file(name)) as draft:
            frame.to_csv(draft, index=False, quoting=csv.QUOTE_MINIMAL)
        write_text(self._table_inputs(name), inputs + "\n")

    def read_table(self, name: str) -> pd.DataFrame:
        """A table that has been made."""
        if not self.table_file(name).exists():
            raise HeadreuseError(
                f"{self.root}: has no {name} table yet; `headreuse run {self.root}` makes what is missing"
            )
        return pd.read_csv(self.table_file(name))

    def has_table(self, name: str, inputs: str) -> bool:
        """Whether the table is there and was made from these inputs."""
        made_from = self._table_inputs(name)
        return self.table_file(name).exists() and made_from.exists() and made_from.read_text().strip() == inputs

    def _table_inputs(self, name: str) -> Path:
        return self.root / "tables" / f".{name}.inputs"


def _training_differences(earlier: Study, later: Study) -> Iterator[str]:
    """What of two studies would give other checkpoints under the same name; adding seeds or groups changes none."""
    for name in ("alphabet_size", "grid_size", "data_seed"):
        if getattr(earlier, name) != getattr(later, name):
            yield f"{name}: {getattr(earlier, name)} there, {getattr(later, name)} now"
    kept = {group.name: group for group in later.groups}
    for group in earlier.groups:
        if group.name in kept:
            yield from _group_differences(earlier, group, later, kept[group.name])


def _group_differences(earlier: Study, group: Group, later: Study, now: Group) -> Iterator[str]:
    yield from _changed(f"{group.name}.model", earlier.model_of(group), later.model_of(now))
    yield from _changed(f"{group.name}.training", group.training, now.training, but={"log_every"})
    if group.source is None and group.twins != now.twins:
        there, later_ones = (each.twins or "all groups" for each in (group, now))
        yield f"{group.name}.twins: initial weights are those of {there} there, of {later_ones} now"
    if group.tasks != now.tasks:
        yield f"{group.name}: other tasks or lengths"
    if group.source != now.source:
        yield f"{group.name}: its checkpoints came from elsewhere"
    for task in group.task_names:
        if earlier.task_file(task) != later.task_file(task):
            yield f"{group.name}: the file of its task {task} was another"


def _changed(place: str, there: BaseModel, now: BaseModel, *, but: Collection[str] = ()) -> Iterator[str]:
    """A line for each field of two settings of one kind that differs."""
    for name in type(there).model_fields:
        if name not in but and getattr(there, name) != getattr(now, name):
            values = [settings.model_dump(mode="json")[name] for settings in (there, now)]
            yield f"{place}.{name}: {values[0]} there, {values[1]} now"
