"""A run: the checkpoints of a group from one source; and what a source of checkpoints is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from headreuse.prompts import Encoder, encoder_of
from headreuse.records import Checkpoint
from headreuse.study.config import Study
from headreuse.study.group import Group

Label = int | str
"""What tells the runs of one group apart, in the column `seed` of every table: a seed, or the name of a series."""

OnProgress = Callable[[float, str], None]
"""Called on the way with the fraction that is done, from 0 to 1, and a few words."""


def silent(_fraction: float, _words: str) -> None:
    """Nothing is told of the progress."""


class Source(ABC):
    """Where the checkpoints of runs come from."""

    @abstractmethod
    def labels(self, study: Study, group: Group) -> tuple[Label, ...]:
        """One for each run that the group has in this source."""

    @abstractmethod
    def checkpoints(self, run: "Run") -> tuple[Checkpoint, ...]:
        """Those that are there, whole, in the order of their steps."""

    def missing(self, run: "Run") -> tuple[int, ...]:
        """The steps whose checkpoints are still to be made; none of a series that is given."""
        return ()

    def problems(self, run: "Run") -> tuple[str, ...]:
        """What is wrong with checkpoints that are left out, one line each."""
        return ()

    def make(self, study: Study, run: "Run", on_progress: OnProgress) -> None:
        """Make the checkpoints that are missing."""
        raise NotImplementedError(f"{type(self).__name__} makes no checkpoints")

    def cost_to_make(self, run: "Run") -> float:
        """What `make` costs, in tokens through the model, a backward pass counted as two."""
        return 0.0

    def look_again(self, study: Study, group: Group) -> None:
        """Before work begins: take up what has been added to a series since it was last looked at."""
        return

    def ready(
        self, run: "Run", checkpoint: Checkpoint, on_progress: OnProgress = silent
    ) -> AbstractContextManager[Checkpoint]:
        """A checkpoint whose files are on this machine, whole and checked, for as long as the block lasts."""
        return nullcontext(checkpoint)

    @property
    def loading(self) -> Mapping[str, Any]:
        """How its models are loaded: arguments of `load_model`."""
        return {}

    def encoder(self, checkpoint: Checkpoint) -> Encoder:
        """How examples become token ids of a checkpoint's model: as the files beside its weights say."""
        return encoder_of(checkpoint.path)


@dataclass(frozen=True)
class Run:
    """The checkpoints of one group from one source: one line over steps in every figure."""

    group: Group
    label: Label
    source: Source

    def __str__(self) -> str:
        return (
            f"{self.group.name} seed {self.label}" if isinstance(self.label, int) else f"{self.group.name} {self.label}"
        )

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Those that are there, whole, in the order of their steps."""
        return self.source.checkpoints(self)

    @property
    def missing(self) -> tuple[int, ...]:
        """The steps whose checkpoints are still to be made."""
        return self.source.missing(self)
