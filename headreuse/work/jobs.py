"""What a worker does: train one run, or take the missing measurements of one checkpoint.

A job is small and knows nothing of torch; what it needs is imported where it is run, which is in a worker.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from headreuse.errors import HeadreuseError
from headreuse.records import Checkpoint
from headreuse.store.folder import RunFolder, Unit, alone_in
from headreuse.training.torchrun import is_writer
from headreuse.work.states import TrainingRun, complete_checkpoints, measuring_cost, training_cost

Tell = Callable[[float, str], None]


@dataclass(frozen=True)
class TrainJob:
    """Train one run to its end, from its last checkpoint on."""

    folder: RunFolder
    run_of: TrainingRun

    @property
    def cost(self) -> float:
        """In tokens through the model."""
        return training_cost(self.run_of)

    @property
    def key(self) -> str:
        """Names the note of its failure."""
        return f"train-{self.run_of.group.name}-seed-{self.run_of.seed}"

    def __str__(self) -> str:
        return f"training {self.run_of}"

    def run(self, tell: Tell) -> list[str]:
        """Train; a run that another process is training is waited for briefly, then left to it."""
        from headreuse.training.joint import train

        study, group, seed = self.folder.study().loaded(), self.run_of.group, self.run_of.seed
        series = self.folder.series_folder(group.name, seed)
        n_steps = group.training.steps
        with alone_in(series) if is_writer() else nullcontext():
            train(study, group, seed, series, on_step=lambda step, loss: tell(step / n_steps, f"loss {loss:.3f}"))
        if not is_writer():
            return []
        there = {checkpoint.step for checkpoint in complete_checkpoints(self.folder, self.run_of)}
        if gone := sorted(set(self.run_of.steps) - there):
            steps = ", ".join(map(str, gone))
            raise HeadreuseError(
                f"{series}: trained to its end, but step {steps} is gone; delete the folder to train again"
            )
        return []


@dataclass(frozen=True)
class MeasureJob:
    """Take measurements of one checkpoint, sharing the loaded model between them."""

    folder: RunFolder
    run_of: TrainingRun
    checkpoint: Checkpoint
    units: tuple[Unit, ...]

    @property
    def cost(self) -> float:
        """In tokens through the model."""
        return measuring_cost(self.folder.study(), self.run_of)

    @property
    def key(self) -> str:
        """Names the note of its failure."""
        return f"measure-{self.run_of.group.name}-seed-{self.run_of.seed}-step-{self.checkpoint.step}"

    def __str__(self) -> str:
        return f"measuring {self.run_of} step {self.checkpoint.step}"

    def run(self, tell: Tell) -> list[str]:
        """Each unit is kept as soon as it is measured; one that fails leaves the others alone."""
        from headreuse.measurements.measuring import Measuring

        measuring = Measuring(self.folder, self.checkpoint, micro_batch=self.folder.study().measures.micro_batch)
        problems = []
        for index, unit in enumerate(self.units):
            tell(index / len(self.units), str(unit))
            try:
                self.folder.write_unit(unit, measuring.measure(unit))
            except Exception as error:
                reason = str(error) if isinstance(error, HeadreuseError) else f"{type(error).__name__}: {error}"
                problems.append(f"{unit}: {reason}")
        return problems
