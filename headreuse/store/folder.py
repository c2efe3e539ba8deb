"""The run folder: the only module that knows a file name. Every file is written whole or not at all."""

import contextlib
import csv
import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from headreuse import __version__
from headreuse.errors import HeadreuseError
from headreuse.records import Checkpoint
from headreuse.study.config import Group, Study, parse_study

TABLES = ("accuracy", "head_scores", "transfer", "overlap", "functional_overlap", "correlation", "training_log")
TRAINING_LOG = "training_log.csv"
"""In a series of checkpoints: the accuracy while it was trained."""
CHECKPOINT_NOTE = "headreuse.json"
"""Written last into a checkpoint that this package trained: group, seed, step, fingerprint, weights_bytes."""
LIBRARIES = ("torch", "transformers", "transformer-lens", "numpy", "scipy", "statsmodels", "pandas", "plotly")


@dataclass(frozen=True)
class Unit:
    """One measurement of one checkpoint: the smallest piece of work that is kept."""

    kind: str
    """`evaluation`, `pattern`, `head_scores` or `set_ablation`."""
    checkpoint: Checkpoint
    task: str
    settings: Mapping[str, Any] = field(hash=False)
    """All that the result depends on besides checkpoint and task: lengths, method, number of examples, data seed."""

    @property
    def key(self) -> str:
        """Names the file: equal keys mean equal results."""
        told = [self.kind, self.checkpoint.fingerprint, self.task, dict(self.settings)]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        where = f"{self.checkpoint.group} seed {self.checkpoint.seed} step {self.checkpoint.step}"
        return f"{self.settings.get('method', self.kind)} of {self.task} at {where}"


def versions() -> dict[str, str]:
    """Versions of this package and of the libraries that its results depend on, read without importing them."""
    found = {"headreuse": __version__}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Within the block, write to the path given; `path` changes only when the block ends well.

    A kill leaves at most a dot-named file behind. An error of the disk names the file that could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        os.replace(draft, path)
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else str(error.strerror or error)
        raise HeadreuseError(f"{path}: could not be written: {reason}; free some space and run again") from error
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def alone_in(folder: Path, patience: float = 20.0) -> Iterator[None]:
    """Within the block, no other process is in this block for the same folder; a killed one lets go by itself.

    Waits up to `patience` seconds, since the workers of a killed command take a moment to end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with (folder / ".lock").open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise HeadreuseError(f"{folder}: another process is at work here; wait for it or end it") from None
                time.sleep(0.2)
        yield


class RunFolder:
    """A study on disk: its checkpoints, per-example results, tables and report."""

    def __init__(self, root: Path) -> None:
        self.root = root

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
            earlier = folder.study()
            if changed := sorted(_training_differences(earlier, study)):
                raise HeadreuseError(
                    f"{root}: holds a study trained with other settings ({'; '.join(changed)}); "
                    "give another folder with --out, or delete this one"
                )
            if earlier == study:
                return folder
        contents = {"study": study.model_dump(mode="json"), "versions": versions(), "command": command}
        contents["hash"] = hashlib.sha256(study.model_dump_json().encode()).hexdigest()[:16]
        folder.write_text(folder.study_file, json.dumps(contents, indent=2) + "\n")
        return folder

    @property
    def study_file(self) -> Path:
        """The frozen study."""
        return self.root / "study.json"

    @property
    def report_file(self) -> Path:
        """The page."""
        return self.root / "report.html"

    def study_record(self) -> dict[str, Any]:
        """All of study.json: study, versions, command, hash."""
        try:
            record = json.loads(self.study_file.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise HeadreuseError(
                f"{self.study_file}: not valid JSON ({error}); restore it or start a new folder"
            ) from None
        if not isinstance(record, dict) or "study" not in record:
            raise HeadreuseError(f"{self.study_file}: holds no study; restore it or start a new folder")
        return record

    def study(self) -> Study:
        """The study that this folder holds."""
        return parse_study(self.study_record()["study"], str(self.study_file))

    def series_folder(self, group: str, seed: int) -> Path:
        """Where one run's `checkpoint-<step>` folders lie."""
        return self.root / "checkpoints" / group / f"seed-{seed}"

    def training_log_file(self, group: str, seed: int) -> Path:
        """Where the accuracy during one run's training lies."""
        return self.series_folder(group, seed) / TRAINING_LOG

    def unit_file(self, unit: Unit) -> Path:
        """Where a unit's result lies."""
        at = unit.checkpoint
        folder = self.root / "scores" / at.group / f"seed-{at.seed}" / f"step-{at.step}"
        return folder / f"{unit.kind}-{unit.task}-{unit.key}.parquet"

    def write_unit(self, unit: Unit, frame: pd.DataFrame) -> None:
        """Keep a unit's result, for good, with the settings and versions that it came from."""
        told: dict[str, Any] = {
            "kind": unit.kind,
            "task": unit.task,
            "settings": dict(unit.settings),
            "versions": versions(),
        }
        told |= {"group": unit.checkpoint.group, "seed": unit.checkpoint.seed, "step": unit.checkpoint.step}
        table = pa.Table.from_pandas(frame, preserve_index=False)
        table = table.replace_schema_metadata((table.schema.metadata or {}) | {b"headreuse": json.dumps(told).encode()})
        floats = [name for name, kind in frame.dtypes.items() if kind.kind == "f"]
        others = [name for name in frame.columns if name not in floats]
        encoding: Any = dict.fromkeys(floats, "BYTE_STREAM_SPLIT")
        with written_whole(self.unit_file(unit)) as draft:
            pq.write_table(table, draft, compression="zstd", use_dictionary=others, column_encoding=encoding)

    def read_unit(self, unit: Unit) -> pd.DataFrame:
        """A unit's result."""
        try:
            return pq.read_table(self.unit_file(unit)).to_pandas()
        except pa.ArrowInvalid as error:
            raise HeadreuseError(f"{self.unit_file(unit)}: damaged ({error}); delete it and run again") from None

    def error_file(self, key: str) -> Path:
        """Where it is said why a piece of work failed."""
        return self.root / "errors" / f"{key}.json"

    def write_error(self, key: str, what: str, reason: str) -> None:
        """Say why a piece of work failed; it is tried again on the next run."""
        self.write_text(self.error_file(key), json.dumps({"what": what, "reason": reason}, indent=2) + "\n")

    def clear_error(self, key: str) -> None:
        """Forget a failure that has been mended."""
        self.error_file(key).unlink(missing_ok=True)

    def errors(self) -> list[str]:
        """One line for each piece of work that failed and has not been done since."""
        files = sorted(self.root.glob("errors/*.json"))
        return [f"{entry['what']}: {entry['reason']}" for entry in map(_read_json, files)]

    def table_file(self, name: str) -> Path:
        """Where a table lies."""
        return self.root / "tables" / f"{name}.csv"

    def write_table(self, name: str, frame: pd.DataFrame, inputs: str) -> None:
        """Keep a table, and `inputs`, the key of what it was made from."""
        with written_whole(self.table_file(name)) as draft:
            frame.to_csv(draft, index=False, quoting=csv.QUOTE_MINIMAL)
        self.write_text(self._table_inputs(name), inputs + "\n")

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

    def write_text(self, path: Path, text: str) -> None:
        """A text file, whole or not at all."""
        with written_whole(path) as draft:
            draft.write_text(text, encoding="utf-8")


def own_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint that training completed in this folder, or None; its weights are not looked at."""
    note = folder / CHECKPOINT_NOTE
    if not note.is_file():
        return None
    told = _read_json(note)
    return Checkpoint(folder, told["step"], told["fingerprint"], told["group"], told["seed"])


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


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
    if group.tasks != now.tasks:
        yield f"{group.name}: other tasks or lengths"
    for task in group.task_names:
        if earlier.source_of(task) != later.source_of(task):
            yield f"{group.name}: the file of its task {task} was another"


def _changed(place: str, there: BaseModel, now: BaseModel, *, but: Collection[str] = ()) -> Iterator[str]:
    """A line for each field of two settings of one kind that differs."""
    for name in type(there).model_fields:
        if name not in but and getattr(there, name) != getattr(now, name):
            values = [settings.model_dump(mode="json")[name] for settings in (there, now)]
            yield f"{place}.{name}: {values[0]} there, {values[1]} now"
