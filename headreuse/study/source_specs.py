"""What a group of a study file may say of where its checkpoints come from; each source registers its own key."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import ValidationError

from headreuse.registry import Registry
from headreuse.study.explaining import explain
from headreuse.study.frozen import Frozen

if TYPE_CHECKING:
    from headreuse.study.runs import Source


class SourceSpec(Frozen, ABC):
    """The settings of one source, as a study file gives them under the source's key."""

    key: ClassVar[str]
    """Set by `@source_spec`."""
    trains: ClassVar[bool] = False
    """Whether its checkpoints are made here, as the group's `training` says."""

    @classmethod
    def training_defaults(cls, training: Mapping[str, Any]) -> dict[str, Any]:
        """What of a group's training, given raw, is otherwise than `TrainingSpec` says where a study says nothing."""
        return {}

    @classmethod
    def placed(cls, settings: object, beside: Path) -> object:
        """Raw settings in which paths from the study file's folder, `beside`, hold from anywhere."""
        return settings

    def gives_same(self, other: "SourceSpec") -> bool:
        """Whether the checkpoint that a run has at a step is the same one with other settings."""
        return self == other

    @abstractmethod
    def open(self, root: Path) -> "Source":
        """The source with these settings; `root` is the run folder."""


SOURCE_SPECS: Registry[type[SourceSpec]] = Registry("source", room="headreuse.sources")

S = TypeVar("S", bound=type[SourceSpec])


def source_spec(key: str) -> Callable[[S], S]:
    """Class decorator: a group that has `key = { … }` takes its checkpoints from this source."""

    def register(cls: S) -> S:
        cls.key = key
        SOURCE_SPECS.add(key, cls)
        return cls

    return register


def under_source(raw: dict[str, Any]) -> dict[str, Any]:
    """A raw group with the key of its source, where it has one, laid under `source`: `{"source": {key: …}}`.

    Its training has the defaults of the source.
    """
    keys = [key for key in SOURCE_SPECS if key in raw]
    if not keys:
        return raw
    others = {name: value for name, value in raw.items() if name not in keys}
    training = raw.get("training", {})
    if isinstance(training, dict):
        defaults = SOURCE_SPECS[keys[0]].training_defaults(training)
        others |= {"training": defaults | training} if defaults else {}
    return others | {"source": {key: raw[key] for key in keys}}


def with_places(raw: dict[str, Any], beside: Path) -> dict[str, Any]:
    """A raw study file in which the paths in the settings of sources hold from anywhere."""
    groups = raw.get("groups")
    if not isinstance(groups, list):
        return raw
    placed = [_placed(group, beside) if isinstance(group, dict) else group for group in groups]
    return raw | {"groups": placed}


def _placed(group: dict[str, Any], beside: Path) -> dict[str, Any]:
    return group | {key: SOURCE_SPECS[key].placed(group[key], beside) for key in SOURCE_SPECS if key in group}


def read_source(raw: object) -> object:
    """The settings in `{key: …}`; anything else is handed back for pydantic to judge."""
    if not isinstance(raw, dict):
        return raw
    if len(raw) != 1:
        raise ValueError(f"give one source, not {len(raw)} ({', '.join(map(str, raw)) or 'none'})")
    ((key, settings),) = raw.items()
    if key not in SOURCE_SPECS:
        raise ValueError(f"unknown source {key!r}; choose from: {', '.join(SOURCE_SPECS) or 'none is registered'}")
    spec = SOURCE_SPECS[key]
    try:
        return spec.model_validate(settings)
    except ValidationError as error:
        lines, _ = explain(error, spec)
        raise ValueError("; ".join(f"{key}.{line}".replace(f"{key}.study: ", f"{key}: ") for line in lines)) from None
