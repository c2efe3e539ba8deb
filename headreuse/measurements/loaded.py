"""One checkpoint's model and prompts, loaded once for all measurements of it."""

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from headreuse.measurements.base import MEASUREMENTS, Measurement
from headreuse.measurements.drawn import DRAWN
from headreuse.prompts import Encoder, make_prompts
from headreuse.records import Checkpoint, Prompts
from headreuse.store.units import Unit, UnitFiles
from headreuse.study.config import Study
from headreuse.study.runs import Source
from headreuse.study.streams import Stream

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Result = TypeVar("Result")


class Loaded:
    """What measurements of one checkpoint are taken from."""

    def __init__(self, units: UnitFiles, study: Study, source: Source, checkpoint: Checkpoint) -> None:
        # Only measuring needs torch; reading results imports this room too.
        import torch

        from headreuse.models.checkpoints import load_model

        self.units = units
        self.study = study.loaded()
        self.source = source
        self.checkpoint = checkpoint
        self.micro_batch = study.measures.micro_batch
        self.model: PreTrainedModel = load_model(checkpoint.path, device="cuda" if torch.cuda.is_available() else "cpu")
        """Ready to answer, on the GPU where there is one."""

    @cached_property
    def encoder(self) -> Encoder:
        """How examples become the model's tokens."""
        return self.source.encoder(self.checkpoint)

    @property
    def n_heads(self) -> int:
        """Heads in each layer."""
        return int(self.model.config.num_attention_heads)

    def prompts(self, unit: Unit, length: int) -> Prompts:
        """The fixed examples of a task and length: the same for every checkpoint, seed and group of a study.

        They are drawn from the study's data seed and the length alone, so tasks that draw alike get the same inputs.
        """
        n, data_seed = unit.settings["n"], unit.settings["data_seed"]

        def draw() -> Prompts:
            generator = Stream.EVALUATION.generator(data_seed, length)
            return make_prompts(self.study.task(unit.task), np.full(n, length), generator, self.encoder)

        task = (unit.task, *sorted(self.study.task_settings(unit.task).items()))
        return DRAWN.get((task, n, length, self.encoder), draw)

    def result(self, kind: type[Measurement[Result]], unit: Unit) -> Result:
        """A result that has been taken at this checkpoint before."""
        entry: Measurement[Result] = MEASUREMENTS[kind.kind]
        return entry.from_frame(self.units.read(unit), unit)
