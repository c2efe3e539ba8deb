"""What a worker does: train one run, or take the missing measurements of one checkpoint."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch

from headreuse.checkpoints import load_model, load_vocabulary, verify
from headreuse.evaluation import evaluate
from headreuse.frames import evaluations_to_frame, head_scores_to_frame, pattern_to_frame
from headreuse.problems import HeadreuseError
from headreuse.recording import mean_pattern
from headreuse.records import Checkpoint, Prompts
from headreuse.scores import SCORES
from headreuse.store import RunFolder, Unit, alone_in
from headreuse.study import TrainingRun, complete_checkpoints, measuring_cost, training_cost
from headreuse.tasks import TASKS
from headreuse.training import train
from headreuse.vocabulary import make_prompts

Tell = Callable[[float, str], None]
EVALUATION_STREAM = 1
"""Sets the draws of the evaluation apart from those of training, which share the study's data seed."""


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
        study, group, seed = self.folder.study(), self.run_of.group, self.run_of.seed
        series = self.folder.series_folder(group.name, seed)
        n_steps = group.training.steps
        with alone_in(series):
            train(study, group, seed, series, on_step=lambda step, loss: tell(step / n_steps, f"loss {loss:.3f}"))
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
        verify(self.checkpoint.path)
        measuring = Measuring(self.checkpoint, micro_batch=self.folder.study().measures.micro_batch)
        problems = []
        for index, unit in enumerate(self.units):
            tell(index / len(self.units), str(unit))
            try:
                self.folder.write_unit(unit, measuring.measure(unit))
            except Exception as error:
                reason = str(error) if isinstance(error, HeadreuseError) else f"{type(error).__name__}: {error}"
                problems.append(f"{unit}: {reason}")
        return problems


class Measuring:
    """One checkpoint's model and prompts, loaded once and asked for several measurements."""

    def __init__(self, checkpoint: Checkpoint, *, micro_batch: int) -> None:
        self.checkpoint = checkpoint
        self.micro_batch = micro_batch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"

    @cached_property
    def vocabulary(self) -> Any:
        """The tokens that the checkpoint was trained with."""
        return load_vocabulary(self.checkpoint.path)

    @cached_property
    def model(self) -> Any:
        """Ready to answer."""
        return load_model(self.checkpoint.path, device=self.device)

    def measure(self, unit: Unit) -> pd.DataFrame:
        """The unit's result as it goes into its file."""
        return getattr(self, f"_{unit.kind}")(unit)

    def prompts(self, unit: Unit, length: int) -> Prompts:
        """The fixed examples of a task and length: the same for every checkpoint, seed and group of a study.

        They are drawn from the study's data seed and the length alone, so tasks that draw alike get the same inputs.
        """
        settings = unit.settings
        generator = np.random.default_rng([settings["data_seed"], EVALUATION_STREAM, length])
        task = TASKS[unit.task](alphabet_size=settings["alphabet_size"])
        return make_prompts(task, np.full(settings["n"], length), generator, self.vocabulary)

    def _evaluation(self, unit: Unit) -> pd.DataFrame:
        lengths = unit.settings["lengths"]
        batches = (self.prompts(unit, length) for length in lengths)
        return evaluations_to_frame([evaluate(self.model, b, micro_batch=self.micro_batch) for b in batches])

    def _pattern(self, unit: Unit) -> pd.DataFrame:
        prompts = self.prompts(unit, unit.settings["length"])
        return pattern_to_frame(mean_pattern(self.model, prompts, micro_batch=self.micro_batch))

    def _head_scores(self, unit: Unit) -> pd.DataFrame:
        score = SCORES[unit.settings["method"]]
        return head_scores_to_frame(score(self.model, self.prompts(unit, unit.settings["length"])))
