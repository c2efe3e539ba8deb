"""One checkpoint's model and prompts, loaded once for all measurements of it."""

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from headreuse.errors import HeadreuseError
from headreuse.measurements.base import MEASUREMENTS, Measurement, heads_of
from headreuse.measurements.drawn import DRAWN
from headreuse.prompts import Encoder, make_prompts
from headreuse.prompts.fitting import check_fits
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
        self.model: PreTrainedModel = load_model(
            checkpoint.path,
            device="cuda" if torch.cuda.is_available() else "cpu",
            **source.loading,
        )
        """Ready to answer, on the GPU where there is one."""

    @cached_property
    def encoder(self) -> Encoder:
        """How examples become the model's tokens."""
        return self.source.encoder(self.checkpoint)

    @property
    def n_heads(self) -> int:
        """Heads in each layer."""
        return int(self.model.config.num_attention_heads)

    def masked_for(self, unit: Unit) -> AbstractContextManager[None]:
        """Within the block only the heads that a unit's task may use write; all of them where no task is confined."""
        from headreuse.models.masks import masked

        return masked(self.model, heads_of(unit, unit.task))

    def prompts(self, unit: Unit, length: int) -> Prompts:
        """The fixed examples of a task and length: the same for every checkpoint, seed and group of a study.

        They are drawn from the study's data seed and the length alone, so tasks that draw alike get the same inputs.
        Of a file of prompts they are the first of that length; of length 0 the first of all up to `up_to`.
        """
        n, form = unit.settings["n"], self.study.form(unit.task)
        file = self.study.prompt_file(unit.task)

        def draw() -> Prompts:
            if file is not None:
                rows = file.chosen(length, unit.settings.get("up_to"), n)
                return replace(self.encoder.encode_text(rows, form), lengths=np.full(len(rows), length))
            generator = Stream.EVALUATION.generator(unit.settings["data_seed"], length)
            return make_prompts(self.study.task(unit.task), np.full(n, length), generator, self.encoder, form)

        task = (unit.task, repr(sorted(self.study.task_settings(unit.task).items())))
        prompts = DRAWN.get((task, n, length, unit.settings.get("up_to"), self.encoder), draw)
        check_fits(prompts, self.model)
        return prompts

    def result(self, kind: type[Measurement[Result]], unit: Unit) -> Result:
        """A result that has been taken at this checkpoint before."""
        entry: Measurement[Result] = MEASUREMENTS[kind.kind]
        try:
            return entry.from_frame(self.units.read(unit), unit)
        except FileNotFoundError:
            raise HeadreuseError(f"it needs {unit}, which could not be measured") from None
