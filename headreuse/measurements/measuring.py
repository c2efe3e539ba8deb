"""Everything that is measured of one checkpoint, with its model and prompts loaded once."""

from functools import cached_property
from inspect import signature
from typing import Any

import numpy as np
import pandas as pd
import torch

from headreuse.attention import is_aligned, mean_pattern
from headreuse.evaluation import evaluate
from headreuse.interventions.head_sets import random_sets_like, set_ablation
from headreuse.measurements.frames import (
    evaluations_to_frame,
    frame_to_head_scores,
    head_scores_to_frame,
    pattern_to_frame,
    set_losses_to_frame,
)
from headreuse.models.checkpoints import load_model, load_vocabulary, verify
from headreuse.prompts.vocabulary import make_prompts
from headreuse.records import Checkpoint, HeadScores, Prompts
from headreuse.scores import SCORES
from headreuse.store.folder import RunFolder, Unit
from headreuse.work.states import DRAWN_WITH

EVALUATION_STREAM, RANDOM_SETS_STREAM = 1, 3
"""Set the draws apart from those of training (0) and analysis (2), which share the study's data seed."""


class Measuring:
    """One checkpoint's model and prompts, loaded once and asked for several measurements."""

    def __init__(self, folder: RunFolder, checkpoint: Checkpoint, *, micro_batch: int) -> None:
        verify(checkpoint.path)
        self.folder = folder
        self.study = folder.study().loaded()
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
        return make_prompts(self.study.task(unit.task), np.full(settings["n"], length), generator, self.vocabulary)

    def _evaluation(self, unit: Unit) -> pd.DataFrame:
        lengths = unit.settings["lengths"]
        batches = (self.prompts(unit, length) for length in lengths)
        return evaluations_to_frame([evaluate(self.model, b, micro_batch=self.micro_batch) for b in batches])

    def _pattern(self, unit: Unit) -> pd.DataFrame:
        """Of prompts that do not line up there is no mean pattern."""
        prompts = self.prompts(unit, unit.settings["length"])
        aligned = is_aligned(prompts)
        return pattern_to_frame(mean_pattern(self.model, prompts, micro_batch=self.micro_batch) if aligned else None)

    def _head_scores(self, unit: Unit) -> pd.DataFrame:
        """Replacements are taken position by position, or pooled over positions where prompts do not line up."""
        score, prompts = SCORES[unit.settings["method"]], self.prompts(unit, unit.settings["length"])
        pooled = "position" in signature(score).parameters and not is_aligned(prompts)
        return head_scores_to_frame(score(self.model, prompts, **({"position": "pooled"} if pooled else {})))

    def _set_ablation(self, unit: Unit) -> pd.DataFrame:
        """What the task loses without each source task's top heads, and without random sets like them."""
        settings = unit.settings
        generator = np.random.default_rng([settings["data_seed"], RANDOM_SETS_STREAM])
        sets = {}
        for source in settings["sources"]:
            top = self._scores_of(unit, source).top(settings["top_k"])
            sets[source] = [top, *random_sets_like(top, self._n_heads, settings["n_sets"], generator)]
        every = [heads for several in sets.values() for heads in several]
        prompts = self.prompts(unit, settings["length"])
        effects = set_ablation(
            self.model, prompts, every, replacement="mean" if is_aligned(prompts) else "pooled_mean"
        ).effects
        parts = {outcome: np.split(values, len(sets)) for outcome, values in effects.items()}
        return set_losses_to_frame(
            {source: {outcome: parts[outcome][place] for outcome in parts} for place, source in enumerate(sets)}
        )

    def _scores_of(self, unit: Unit, task: str) -> HeadScores:
        """The head scores of a task at this checkpoint, which are measured before any set is chosen by them."""
        kept = {name: unit.settings[name] for name in (*DRAWN_WITH, "length", "n", "method")}
        frame = self.folder.read_unit(Unit("head_scores", self.checkpoint, task, kept))
        return frame_to_head_scores(frame, task=task, length=kept["length"], method=kept["method"])

    @property
    def _n_heads(self) -> int:
        return int(self.model.config.num_attention_heads)
