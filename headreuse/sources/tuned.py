"""Models that are fine-tuned here from each checkpoint of a pretraining: `start = { hub = …, revisions = … }`.

A run is a group and a seed; its checkpoints are the fine-tuned models, and their step is that of the pretraining which
each of them started from. Seeds differ in the batches of the fine-tuning. Where `{seed}` stands in a place, each seed
starts from the pretraining of its own number.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from headreuse.errors import HeadreuseError
from headreuse.prompts import Encoder
from headreuse.prompts.foreign import Foreign
from headreuse.records import Checkpoint
from headreuse.sources.given import Given, SeriesSpec
from headreuse.sources.listed import SEED
from headreuse.sources.trained import Trained
from headreuse.store.folder import RunFolder
from headreuse.store.notes import NOTE, read_note
from headreuse.store.sealing import DamagedError
from headreuse.store.writing import alone_in
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.runs import Label, OnProgress, Run, Source, silent
from headreuse.study.source_specs import source_spec
from headreuse.training.torchrun import n_ranks

FULL, LORA = 5e-5, 2e-4
"""Learning rates of fine-tuning all weights, and of low-rank changes to them."""
BF16 = "-bf16"
"""Ends the name under which measurements in bfloat16 are kept."""


@source_spec("start")
class StartSpec(SeriesSpec):
    """Which pretrained models a group's models start from: a series, as under `series`."""

    trains: ClassVar[bool] = True

    bf16: bool = False
    """Whether the fine-tuned models are kept, and then loaded, in bfloat16; they are trained in float32."""

    @classmethod
    def training_defaults(cls, training: Mapping[str, Any]) -> dict[str, Any]:
        """Fewer steps than from scratch, and a rate that keeps what pretraining has learned."""
        rate = FULL if training.get("lora") is None else LORA
        return {"steps": 1000, "batch_size": 64, "learning_rate": rate, "checkpoints": {"every": 250}}

    def open(self, root: Path) -> Source:
        """The fine-tuned models of a run folder."""
        return Tuned(root, RunFolder(root).study, spec=self)


@dataclass(frozen=True)
class Tuned(Trained):
    """A checkpoint for each pretrained model, fine-tuned where it is missing."""

    spec: StartSpec = field(kw_only=True)

    def labels(self, study: Study, group: Group) -> tuple[Label, ...]:
        """The study's seeds."""
        for seed in study.seeds:
            self.pretraining(Run(group, seed, self))
        return study.seeds

    def problems(self, run: Run) -> tuple[str, ...]:
        """Notes that are damaged or of another fine-tuning, and pretrained models that cannot be used."""
        return super().problems(run) + self.given.problems(self.pretraining(run))

    def look_again(self, study: Study, group: Group) -> None:
        """Take up pretrained models that have come."""
        self.given.look_again(study, group)

    def make(self, study: Study, run: Run, on_progress: OnProgress) -> None:
        """Fine-tune from each pretrained model whose checkpoint is missing; one that fails leaves the others alone."""
        if n_ranks() > 1:
            raise HeadreuseError(f"{run}: models are fine-tuned by one process each; start without torchrun")
        failed = []
        with alone_in(self._series(run)):
            missing = [start for start in self._starts(run).values() if start.step in run.missing]
            for index, start in enumerate(missing):

                def on_part(fraction: float, words: str, index: int = index, step: int = start.step) -> None:
                    on_progress((index + fraction) / len(missing), f"from step {step}: {words}")

                try:
                    self._make_one(study, run, start, on_part)
                except HeadreuseError as error:
                    failed.append(str(error))
        if failed:
            raise HeadreuseError("; ".join(failed))

    @contextmanager
    def ready(self, run: Run, checkpoint: Checkpoint, on_progress: OnProgress = silent) -> Iterator[Checkpoint]:
        """The checkpoint, if its files are those that fine-tuning wrote."""
        plain = replace(checkpoint, fingerprint=checkpoint.fingerprint.removesuffix(BF16))
        with super().ready(run, plain, on_progress):
            yield checkpoint

    @property
    def loading(self) -> Mapping[str, Any]:
        """In the precision in which they are kept."""
        return {"dtype": "bfloat16" if self.spec.bf16 else "float32"}

    def encoder(self, checkpoint: Checkpoint) -> Encoder:
        """As the tokenizer says; the end of the text is part of each answer, as it was in training."""
        found = super().encoder(checkpoint)
        return replace(found, ends=True) if isinstance(found, Foreign) else found

    def cost_to_make(self, run: Run) -> float:
        """That of one training for each pretrained model."""
        return super().cost_to_make(run) * max(1, len(self._steps(run)))

    @cached_property
    def given(self) -> Given:
        """The pretrained models."""
        return Given(self.root, self.spec.model_copy(update={"bf16": False}))

    def pretraining(self, run: Run) -> Run:
        """The run of pretraining that a run starts from."""
        assert self.study is not None
        labels = self.given.labels(self.study, run.group)
        by_seed = any(SEED in place for place in (*self.spec.folder, *self.spec.hub))
        if by_seed and run.label not in labels:
            raise HeadreuseError(f"{run}: start: no pretraining of seed {run.label}; there are {_named(labels)}")
        if not by_seed and len(labels) > 1:
            raise HeadreuseError(
                f"{run}: start: several pretrainings ({_named(labels)}); give one, or {SEED} in the place of its number"
            )
        return Run(run.group, run.label if by_seed else labels[0], self.given)

    def _make_one(self, study: Study, run: Run, start: Checkpoint, on_progress: OnProgress) -> None:
        # Loads torch, which only a worker needs.
        from headreuse.training.tuning import Tuning, tune

        n_steps, seed = run.group.training.steps, run.label
        assert isinstance(seed, int), "fine-tuned runs are labelled by their seeds"

        def on_step(step: int, loss: float) -> None:
            on_progress(step / n_steps, f"loss {loss:.3f}")

        with self.given.ready(self.pretraining(run), start, on_progress) as there:
            tuning = Tuning(
                study=study.loaded(),
                group=run.group,
                seed=seed,
                start=there,
                encoder=self.encoder(there),
                folder=self._series(run),
                bf16=self.spec.bf16,
                allow_pickles=self.spec.allow_pickles,
            )
            tune(tuning, on_step=on_step)

    def _starts(self, run: Run) -> dict[int, Checkpoint]:
        """The pretrained models by their steps."""
        return {start.step: start for start in self.given.checkpoints(self.pretraining(run))}

    def _steps(self, run: Run) -> tuple[int, ...]:
        return tuple(self._starts(run))

    def _noted(self, run: Run, step: int) -> Checkpoint | DamagedError | None:
        found = super()._noted(run, step)
        if not isinstance(found, Checkpoint):
            return found
        note, start = read_note(found.path), self._starts(run)[step]
        if note is None or note.start != start.fingerprint:
            mend = f"delete {found.path} to fine-tune again"
            return DamagedError(found.path / NOTE, "it was fine-tuned from another model than the series has", mend)
        key = f"{found.fingerprint}{BF16}" if self.spec.bf16 else found.fingerprint
        return replace(found, fingerprint=key, tokens=start.tokens)


def _named(labels: tuple[Label, ...]) -> str:
    return ", ".join(map(str, labels))
