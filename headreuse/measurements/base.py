"""What a kind of measurement is, and how one is added: a class under `@measurement` in a file of this room.

Reading results loads no torch: what `measure` needs, it imports itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import pandas as pd

from headreuse.records import Checkpoint
from headreuse.registry import Registry
from headreuse.store.units import Unit
from headreuse.study.config import Study
from headreuse.study.group import Group

if TYPE_CHECKING:
    from headreuse.measurements.loaded import Loaded

Result = TypeVar("Result")
Settings = Mapping[str, Any]


class Measurement(ABC, Generic[Result]):
    """One kind of measurement of a task at a checkpoint."""

    kind: ClassVar[str]
    """Set by `@measurement`."""
    version: ClassVar[int]
    """In the key of every result: raise it when the same checkpoint would give another result than before."""
    after: ClassVar[tuple[str, ...]] = ()
    """Kinds whose results `measure` reads."""

    @abstractmethod
    def wanted(self, study: Study, group: Group, *, is_last: bool) -> Iterator[tuple[str, Settings]]:
        """Task and settings of each measurement that a study wants of one checkpoint of a group.

        `units` adds what a task's examples depend on, and the heads that it may use.

        The settings hold all that the result depends on besides checkpoint and task. `is_last` is True at the last
        checkpoint that the run will have.
        """

    @abstractmethod
    def cost(self, study: Study, group: Group, settings: Settings) -> float:
        """Tokens that pass through the model, roughly."""

    @abstractmethod
    def measure(self, loaded: "Loaded", unit: Unit) -> Result:
        """Take the measurement."""

    @abstractmethod
    def to_frame(self, result: Result) -> pd.DataFrame:
        """The result as it goes into its file."""

    @abstractmethod
    def from_frame(self, frame: pd.DataFrame, unit: Unit) -> Result:
        """The result that `to_frame` turned into a frame."""

    @property
    def versions(self) -> str:
        """Its version and those of the kinds that it reads, as they stand in the key of a result: `1 head_scores=1`."""
        read = (f"{kind}={MEASUREMENTS[kind].versions}" for kind in self.after)
        return " ".join([str(self.version), *read])

    def units(self, study: Study, group: Group, checkpoint: Checkpoint, *, is_last: bool) -> Iterator[Unit]:
        """The measurements of this kind that a study wants of one checkpoint."""
        for task, settings in self.wanted(study, group, is_last=is_last):
            masks = {HEADS: group.heads_by_task} if group.heads else {}
            yield Unit(self.kind, self.versions, checkpoint, task, study.task_settings(task) | masks | dict(settings))


MEASUREMENTS: Registry[Measurement[Any]] = Registry("measurement", room="headreuse.measurements")

HEADS = "heads"
"""Where the settings of a unit hold the query heads that each task of its group may use; absent where all use all."""


def heads_of(unit: Unit, task: str) -> tuple[int, ...] | None:
    """The query heads that a task of a unit's group may use in every layer; None for all."""
    masks = unit.settings.get(HEADS)
    return None if masks is None else tuple(masks[task])


M = TypeVar("M", bound=type[Measurement[Any]])


def measurement(kind: str) -> Callable[[M], M]:
    """Class decorator: take measurements of this kind."""

    def register(cls: M) -> M:
        cls.kind = kind
        MEASUREMENTS.add(kind, cls())
        return cls

    return register


def in_order() -> list[Measurement[Any]]:
    """Every kind after those whose results it reads."""
    placed: list[Measurement[Any]] = []
    waiting = list(MEASUREMENTS.values())
    while waiting:
        kinds = {entry.kind for entry in placed}
        ready = [entry for entry in waiting if kinds.issuperset(entry.after)]
        assert ready, f"measurements wait for each other: {[entry.kind for entry in waiting]}"
        placed += ready
        waiting = [entry for entry in waiting if entry not in ready]
    return placed


def units_of(study: Study, group: Group, checkpoint: Checkpoint, *, is_last: bool) -> Iterator[Unit]:
    """All measurements that a study wants of one checkpoint, each after those that it reads."""
    for entry in in_order():
        yield from entry.units(study, group, checkpoint, is_last=is_last)


def measuring_cost(study: Study, group: Group) -> float:
    """What all measurements of one checkpoint cost, in tokens through the model."""
    return sum(
        entry.cost(study, group, settings)
        for entry in in_order()
        for _, settings in entry.wanted(study, group, is_last=False)
    )
