"""What a worker does: make the checkpoints of one run, or take the missing measurements of one checkpoint.

A job is small and knows nothing of torch; what it needs is imported where it is run, which is in a worker.
"""

from dataclasses import dataclass

from headreuse.errors import HeadreuseError
from headreuse.measurements.base import MEASUREMENTS, measuring_cost
from headreuse.records import Checkpoint
from headreuse.store.folder import RunFolder
from headreuse.store.units import Unit
from headreuse.study.runs import OnProgress, Run


@dataclass(frozen=True)
class TrainJob:
    """Make the checkpoints that a run is missing."""

    folder: RunFolder
    belongs_to: Run

    @property
    def cost(self) -> float:
        """In tokens through the model."""
        return self.belongs_to.source.cost_to_make(self.belongs_to)

    @property
    def key(self) -> str:
        """Names the note of its failure."""
        return f"train-{_file_name(self.belongs_to)}"

    def __str__(self) -> str:
        return f"training {self.belongs_to}"

    def run(self, on_progress: OnProgress) -> list[str]:
        """Train to the end."""
        self.belongs_to.source.make(self.folder.study, self.belongs_to, on_progress)
        return []


@dataclass(frozen=True)
class MeasureJob:
    """Take measurements of one checkpoint, sharing the loaded model between them."""

    folder: RunFolder
    belongs_to: Run
    """The first run that has this checkpoint."""
    checkpoint: Checkpoint
    units: tuple[Unit, ...]

    @property
    def cost(self) -> float:
        """In tokens through the model."""
        return measuring_cost(self.folder.study, self.belongs_to.group)

    @property
    def key(self) -> str:
        """Names the note of its failure."""
        return f"measure-{_file_name(self.belongs_to)}-step-{self.checkpoint.step}"

    def __str__(self) -> str:
        return f"measuring {self.belongs_to} step {self.checkpoint.step}"

    def run(self, on_progress: OnProgress) -> list[str]:
        """Keep each unit as soon as it is measured; one that fails leaves the others alone."""
        # Loads torch, which only a worker needs.
        from headreuse.measurements.loaded import Loaded
        from headreuse.models.checkpoints import verify_same
        from headreuse.store.fingerprints import sha256_of

        remembered = self.folder.checkpoint_files
        verify_same(self.checkpoint, sha256=lambda file: remembered.get(file, sha256_of))
        loaded = Loaded(self.folder.units, self.folder.study, self.belongs_to.source, self.checkpoint)
        problems = []
        for index, unit in enumerate(self.units):
            on_progress(index / len(self.units), str(unit))
            measurement = MEASUREMENTS[unit.kind]
            try:
                self.folder.units.write(unit, measurement.to_frame(measurement.measure(loaded, unit)))
            except Exception as error:
                reason = str(error) if isinstance(error, HeadreuseError) else f"{type(error).__name__}: {error}"
                problems.append(f"{unit} at {self.belongs_to} step {self.checkpoint.step}: {reason}")
        return problems


def _file_name(run: Run) -> str:
    label = f"seed-{run.label}" if isinstance(run.label, int) else run.label
    return f"{run.group.name}-{label}"
