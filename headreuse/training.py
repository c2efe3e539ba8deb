"""Train one model jointly on the tasks of a group, so that a kill at any moment costs only what came after a save."""

import hashlib
import json
import math
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from headreuse.checkpoints import verify
from headreuse.config import Group, Study, TrainingSpec
from headreuse.models import build_model, quiet_transformers
from headreuse.problems import HeadreuseError
from headreuse.records import Checkpoint
from headreuse.store import CHECKPOINT_NOTE, own_checkpoint, written_whole
from headreuse.tasks import TASKS, training_examples
from headreuse.tokenizer import build_tokenizer
from headreuse.vocabulary import Vocabulary, encode_examples

OnStep = Callable[[int, float], None]
"""Told the step and its loss, after each step."""

TRAINING_STREAM = 0
"""Sets the draws of training apart from those of the evaluation, which share the study's data seed."""
MAX_POSITIONS = 1024
"""Written into the model's configuration for tools that ask; no weight depends on it."""
DRAFTS = ".saving"
"""Folder in a series in which a checkpoint is written before it takes its name."""
RESUME_FILES = ("optimizer.pt", "scheduler.pt")
"""Needed to go on from a checkpoint, so kept for the last alone."""
IGNORED = -100
"""Label that the loss leaves out."""


class Batches(IterableDataset[dict[str, Tensor]]):
    """The batches of a group from step `first` on: the same for every seed of the model, wherever training resumes."""

    def __init__(self, study: Study, group: Group, vocabulary: Vocabulary, first: int) -> None:
        self.group = group
        self.vocabulary = vocabulary
        self.first = first
        self.entropy = (study.data_seed, TRAINING_STREAM, zlib.crc32(group.name.encode()))
        self.tasks = [TASKS[entry.task](alphabet_size=study.alphabet_size) for entry in group.tasks]

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return (self.batch(step) for step in range(self.first, self.group.training.steps))

    def batch(self, step: int) -> dict[str, Tensor]:
        """Examples of one task, drawn uniformly, each of a length drawn uniformly from those it is trained on."""
        generator = np.random.default_rng([*self.entropy, step])
        chosen = generator.integers(len(self.tasks))
        task, entry = self.tasks[chosen], self.group.tasks[chosen]
        size = self.group.training.batch_size
        examples = training_examples(task, size, entry.max_length, generator)
        prompts = encode_examples(task, examples, self.vocabulary, np.full(size, entry.max_length))
        labels = np.where(prompts.scored, prompts.tokens, IGNORED)
        return {"input_ids": torch.from_numpy(prompts.tokens), "labels": torch.from_numpy(labels)}


class JointTrainer(Trainer):
    """The Transformers Trainer on ready batches; its checkpoints appear in `series` whole or not at all."""

    def __init__(self, *, series: Path, group: str, seed: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.series, self.group, self.seed = series, group, seed
        self.loss = math.nan
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> DataLoader:
        """The batches as they come."""
        assert isinstance(self.train_dataset, Batches)
        return DataLoader(self.train_dataset, batch_size=None)

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """A step as usual, whose loss is remembered."""
        loss = super().training_step(*args, **kwargs)
        self.loss = loss.item()
        return loss

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        step = self.state.global_step
        draft = self.series / DRAFTS / f"checkpoint-{step}"
        path = self.series / draft.name
        try:
            super()._save_checkpoint(*args, **kwargs)
            _publish(draft, Checkpoint(path, step, _fingerprint(draft), self.group, self.seed))
        # torch and safetensors tell a full disk by errors of their own
        except (OSError, RuntimeError, SafetensorError) as error:
            shutil.rmtree(draft, ignore_errors=True)
            reason = str(error).strip().splitlines()[0]
            raise HeadreuseError(
                f"{path}: could not be saved ({reason}); if the disk is full, free some space, and run again"
            ) from error


class _Follower(TrainerCallback):
    """Tells each step's loss, and asks for a checkpoint where the schedule has one."""

    def __init__(self, trainer: JointTrainer, spec: TrainingSpec, on_step: OnStep) -> None:
        self.trainer = trainer
        self.on_step = on_step
        self.steps = frozenset(spec.checkpoints.steps(spec.steps))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        step, loss = state.global_step, self.trainer.loss
        if not math.isfinite(loss):
            raise HeadreuseError(f"{self.trainer.series}: the loss is {loss} at step {step}; try a lower learning_rate")
        self.on_step(step, loss)
        control.should_save = step in self.steps


def train(study: Study, group: Group, seed: int, folder: Path, *, on_step: OnStep) -> None:
    """Train to the end, from the last checkpoint in `folder` on, and keep the checkpoints of the schedule there.

    On one machine's CPU an interrupted training gives the weights of an undisturbed one, bit for bit.
    """
    shutil.rmtree(folder / DRAFTS, ignore_errors=True)
    last = _last_checkpoint(folder, group.name, seed)
    if last is None or last.step < group.training.steps:
        if last:
            _check_can_go_on(last)
        with quiet_transformers():
            trainer = _build_trainer(study, group, seed, folder, first=last.step if last else 0)
            trainer.add_callback(_Follower(trainer, group.training, on_step))
            trainer.train(resume_from_checkpoint=str(last.path) if last else None)
        shutil.rmtree(folder / DRAFTS, ignore_errors=True)
    _drop_resume_files(folder)


def _build_trainer(study: Study, group: Group, seed: int, folder: Path, *, first: int) -> JointTrainer:
    vocabulary = Vocabulary.of([TASKS[entry.task](alphabet_size=study.alphabet_size) for entry in group.tasks])
    arguments = TrainingArguments(
        str(folder / DRAFTS),
        max_steps=group.training.steps,
        seed=seed,
        **_optimisation(group.training),
        # The batches begin at `first` by themselves.
        ignore_data_skip=True,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )
    # One model, one device: with several in sight Trainer would split each batch among them.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return JointTrainer(
        series=folder,
        group=group.name,
        seed=seed,
        model=build_model(study.model, vocab_size=len(vocabulary), max_positions=MAX_POSITIONS, seed=seed),
        args=arguments,
        train_dataset=Batches(study, group, vocabulary, first),
        processing_class=build_tokenizer(vocabulary),
    )


def _optimisation(spec: TrainingSpec) -> dict[str, Any]:
    return {
        "learning_rate": spec.learning_rate,
        "lr_scheduler_type": "warmup_stable_decay",
        "warmup_steps": round(spec.warmup * spec.steps),
        "lr_scheduler_kwargs": {"num_decay_steps": round(spec.decay * spec.steps), "decay_type": "cosine"},
        "adam_beta1": spec.betas[0],
        "adam_beta2": spec.betas[1],
        "weight_decay": spec.weight_decay,
        "max_grad_norm": spec.clip,
    }


def _last_checkpoint(folder: Path, group: str, seed: int) -> Checkpoint | None:
    """The last checkpoint in a folder, which may hold none but this training's, lest they be mixed up."""
    found = []
    for path in folder.glob("checkpoint-*"):
        checkpoint = own_checkpoint(path)
        if checkpoint is None:
            raise HeadreuseError(f"{path}: no whole checkpoint of this training; move it away or train elsewhere")
        if (checkpoint.group, checkpoint.seed) != (group, seed):
            other = f"{checkpoint.group} seed {checkpoint.seed}"
            raise HeadreuseError(f"{path}: belongs to {other}; train {group} seed {seed} into another folder")
        found.append(checkpoint)
    return max(found, key=lambda checkpoint: checkpoint.step, default=None)


def _check_can_go_on(last: Checkpoint) -> None:
    verify(last.path)
    if gone := [name for name in RESUME_FILES if not (last.path / name).exists()]:
        raise HeadreuseError(
            f"{last.path}: {gone[0]} is gone, so training cannot go on from here; "
            f"delete {last.path.parent} to train again"
        )


def _publish(draft: Path, checkpoint: Checkpoint) -> None:
    """Give a saved checkpoint its note and its name, at which moment it is there; then thin out the ones before."""
    for unneeded in ("training_args.bin", "rng_state.pth"):
        (draft / unneeded).unlink(missing_ok=True)
    note = {
        "group": checkpoint.group,
        "seed": checkpoint.seed,
        "step": checkpoint.step,
        "fingerprint": checkpoint.fingerprint,
        "weights_bytes": (draft / "model.safetensors").stat().st_size,
    }
    with written_whole(draft / CHECKPOINT_NOTE) as file:
        file.write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    os.rename(draft, checkpoint.path)
    _drop_resume_files(checkpoint.path.parent, keep=checkpoint.path)


def _fingerprint(folder: Path) -> str:
    with (folder / "model.safetensors").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _drop_resume_files(folder: Path, *, keep: Path | None = None) -> None:
    for path in folder.glob("checkpoint-*"):
        if path != keep:
            for name in RESUME_FILES:
                (path / name).unlink(missing_ok=True)
