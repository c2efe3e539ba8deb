"""Series that are given: checkpoints that somebody else trained, in folders or on a Hub.

Which they are is noted in the run folder when they are first listed, so that a study stays what it was: a report needs
neither the weights nor a network, and a checkpoint that has become another model is noticed.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from headreuse.errors import HeadreuseError
from headreuse.records import Checkpoint
from headreuse.sources.listed import SEED, Listed, Place, SeriesNote, chosen, folders_of, listed, merged
from headreuse.sources.series.base import Origin
from headreuse.sources.series.folders import is_path
from headreuse.sources.series.known import repository_of
from headreuse.sources.series.selection import Revisions
from headreuse.store.fingerprints import sha256_of
from headreuse.store.folder import RunFolder
from headreuse.store.sealing import read_sealed, write_sealed
from headreuse.store.writing import alone_in
from headreuse.study.config import Study
from headreuse.study.frozen import check_unique
from headreuse.study.group import Group
from headreuse.study.runs import Label, OnProgress, Run, Source, silent
from headreuse.study.source_specs import SourceSpec, source_spec

PATIENCE = 600.0
"""Seconds to wait for another process that lists a series: it may read gigabytes of weights, or ask a slow Hub."""
MEND = "delete it, and the series is listed again"
Places = Annotated[tuple[str, ...], Field(max_length=1_000, strict=False)]


@source_spec("series")
class SeriesSpec(SourceSpec):
    """Where a group's checkpoints lie; in a study file also a path, a name on the Hub, or a list of these."""

    folder: Places = ()
    """Folders of checkpoints, a parent of such folders, or a single model; `{seed}` stands for a number in a name."""
    hub: Places = ()
    """Repositories `owner/name`, or names that `headreuse checkpoints --known` lists; `{seed}` stands for a seed."""
    seeds: Annotated[tuple[int, ...], Field(max_length=1_000, strict=False)] = ()
    """What `{seed}` stands for; of folders all that are there, where nothing is said."""
    revisions: Revisions = Revisions()
    """Which of the checkpoints; all where nothing is said."""
    keep: str | None = None
    """How much of what is downloaded stays on the disk, such as "20 GB"; everything where nothing is said."""
    bf16: bool = False
    """Whether models are loaded in bfloat16."""
    allow_pickles: bool = False
    """Whether weights may be read from `.bin` files, as tensors alone."""

    @model_validator(mode="before")
    @classmethod
    def _from_texts(cls, raw: Any) -> Any:
        if isinstance(raw, dict):
            places = ("folder", "hub")
            return {key: [value] if key in places and isinstance(value, str) else value for key, value in raw.items()}
        return raw

    @model_validator(mode="after")
    def _somewhere(self) -> "SeriesSpec":
        if not (self.folder or self.hub):
            raise ValueError('say where the checkpoints are: folder = "out/", or hub = "owner/name"')
        check_unique([*self.folder, *self.hub])
        if self.seeds and not any(SEED in place for place in (*self.folder, *self.hub)):
            raise ValueError(f"seeds: no place has {SEED} in it; write it where the seed stands, or leave seeds out")
        if not self.seeds and any(SEED in place for place in self.hub):
            raise ValueError(f"seeds: say which seeds {SEED} stands for, for example seeds = [1, 2, 3]")
        return self

    @classmethod
    def placed(cls, settings: object, beside: Path) -> object:
        """Folders from the study file's own; a bare text is a folder where there is one, else a name on the Hub."""
        raw = _as_table(settings, beside)
        if not isinstance(raw, dict) or "folder" not in raw:
            return raw
        folders = [raw["folder"]] if isinstance(raw["folder"], str) else raw["folder"]
        if not isinstance(folders, list) or not all(isinstance(folder, str) for folder in folders):
            return raw
        return raw | {"folder": [str((beside / folder).absolute()) for folder in folders]}

    def gives_same(self, other: SourceSpec) -> bool:
        """Whether the settings differ in nothing but which of the checkpoints they choose, and how many are kept."""
        free = {"revisions", "keep"}
        return type(self) is type(other) and self.model_dump(exclude=free) == other.model_dump(exclude=free)

    def open(self, root: Path) -> Source:
        """The checkpoints as they are noted in the run folder, or listed now."""
        return Given(root, self)


@dataclass(frozen=True)
class Given(Source):
    """Checkpoints that are given, one run for each training run among them."""

    root: Path
    """The run folder."""
    spec: SeriesSpec

    def labels(self, study: Study, group: Group) -> tuple[Label, ...]:
        """Seeds where a place has `{seed}` in it, else the name of each training run."""
        found = self._note(group).entries
        return tuple(dict.fromkeys(entry.label for entry in found))

    def checkpoints(self, run: Run) -> tuple[Checkpoint, ...]:
        """Those that were found usable."""
        usable = [entry for entry in self._of(run) if not entry.problem]
        return tuple(Checkpoint(Path(entry.place), entry.step, self._key(entry), entry.tokens) for entry in usable)

    def problems(self, run: Run) -> tuple[str, ...]:
        """Why others are left out."""
        return tuple(f"{entry.place}: {entry.problem}" for entry in self._of(run) if entry.problem)

    def look_again(self, study: Study, group: Group) -> None:
        """Take up checkpoints that have come, and those that have been mended; what is noted stays as it is.

        A Hub is asked once for the same revisions, so that a study can go on without a network.
        """
        file = self._folder.series_file(group.name)
        if not file.exists():
            self._note(group)
            return
        with alone_in(file.parent, PATIENCE):
            noted = read_sealed(file, SeriesNote, MEND)
            if noted.revisions != self._revisions:
                now = chosen(noted, self._listed(chain(self._folders(), self._repositories())))
            elif self.spec.folder:
                now = merged(noted, self._listed(self._folders()))
            else:
                return
            write_sealed(file, asdict(now))
        self._notes[group.name] = now

    @contextmanager
    def ready(self, run: Run, checkpoint: Checkpoint, on_progress: OnProgress = silent) -> Iterator[Checkpoint]:
        """The files of a checkpoint, downloaded where they are not on this machine."""
        entry = self._entry(run, checkpoint)
        with self._origin(entry, on_progress).ready(entry.as_entry()) as folder:
            yield replace(checkpoint, path=folder)

    @contextmanager
    def small_files(self, run: Run, checkpoint: Checkpoint) -> Iterator[Path]:
        """The configuration and the tokenizer of a checkpoint, without its weights where they are on a Hub."""
        entry = self._entry(run, checkpoint)
        with self._origin(entry).small_files(entry.as_entry()) as folder:
            yield folder

    def is_on_hub(self, run: Run, checkpoint: Checkpoint) -> bool:
        """Whether a checkpoint is downloaded before it is measured."""
        return bool(self._entry(run, checkpoint).repo)

    @property
    def loading(self) -> Mapping[str, Any]:
        """As the study asks."""
        return {"dtype": "bfloat16" if self.spec.bf16 else "float32", "allow_pickles": self.spec.allow_pickles}

    def _entry(self, run: Run, checkpoint: Checkpoint) -> Listed:
        return next(entry for entry in self._of(run) if self._key(entry) == checkpoint.fingerprint)

    def _origin(self, entry: Listed, on_progress: OnProgress = silent) -> Origin:
        return self._hub(entry.repo, on_progress) if entry.repo else self._local(Path(entry.place))

    def _key(self, entry: Listed) -> str:
        return f"{entry.fingerprint}-bf16" if self.spec.bf16 else entry.fingerprint

    def _of(self, run: Run) -> list[Listed]:
        return [entry for entry in self._note(run.group).entries if entry.label == run.label]

    @property
    def _folder(self) -> RunFolder:
        return RunFolder(self.root)

    @cached_property
    def _notes(self) -> dict[str, SeriesNote]:
        return {}

    def _note(self, group: Group) -> SeriesNote:
        """What is noted of a group's series; listed and noted now where nothing is."""
        if group.name not in self._notes:
            self._notes[group.name] = self._read_or_list(self._folder.series_file(group.name))
        return self._notes[group.name]

    def _read_or_list(self, file: Path) -> SeriesNote:
        if not file.exists():
            with alone_in(file.parent, PATIENCE):
                # Another process may have been first.
                if not file.exists():
                    places = chain(self._folders(), self._repositories())
                    write_sealed(file, asdict(self._listed(places)))
        return read_sealed(file, SeriesNote, MEND)

    @property
    def _revisions(self) -> str:
        return self.spec.revisions.model_dump_json(exclude_defaults=True)

    def _listed(self, places: Iterable[Place]) -> SeriesNote:
        return replace(listed(places, self.spec.revisions), revisions=self._revisions)

    def _folders(self) -> Iterator[Place]:
        """The folders that are there now."""
        for pattern in self.spec.folder:
            for label, folder in folders_of(Path(pattern), self.spec.seeds):
                yield Place(label, folder.name, "", self._local(folder))

    def _repositories(self) -> Iterator[Place]:
        for pattern in self.spec.hub:
            for seed in self.spec.seeds if SEED in pattern else (None,):
                name = pattern if seed is None else pattern.replace(SEED, str(seed))
                origin = self._hub(name)
                yield Place(seed, name.rpartition("/")[2], name, origin)

    def _local(self, folder: Path) -> Origin:
        # Loads torch, which only listing and measuring need.
        from headreuse.sources.series.local import LocalOrigin

        remembered = self._folder.checkpoint_files
        return LocalOrigin(
            folder,
            allow_pickles=self.spec.allow_pickles,
            sha256=lambda file: remembered.get(file, sha256_of),
        )

    def _hub(self, name: str, on_progress: OnProgress = silent) -> Origin:
        from headreuse.sources.series.hub import HubOrigin

        spec = self.spec
        return HubOrigin(repository_of(name), keep=spec.keep, allow_pickles=spec.allow_pickles, on_progress=on_progress)


def _as_table(settings: object, beside: Path) -> object:
    """A path, a name on the Hub, or a list of either, as a table."""
    if isinstance(settings, str):
        settings = [settings]
    if not isinstance(settings, list) or not all(isinstance(place, str) for place in settings):
        return settings
    there = [place for place in settings if _is_folder(place, beside)]
    others = [place for place in settings if place not in there]
    return {key: places for key, places in (("folder", there), ("hub", others)) if places}


def _is_folder(place: str, beside: Path) -> bool:
    """Whether a text is a path: what is no folder here and does not look like one is a name on the Hub."""
    if is_path(place, beside):
        return True
    try:
        return any(folder.is_dir() for _, folder in folders_of(beside / place, ()))
    except HeadreuseError:
        return False
