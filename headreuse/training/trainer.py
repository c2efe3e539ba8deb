"""The Transformers Trainer on ready-made batches, set up as the study says and without what is not needed here."""

import math
import os
import shutil
from collections.abc import Callable, Collection
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from headreuse.errors import HeadreuseError
from headreuse.models.masks import TrainingMask
from headreuse.study.training_spec import TrainingSpec
from headreuse.training.batches import TASK, Batches, loader
from headreuse.training.reporting import check_reporters
from headreuse.training.series import TrainedSeries, saved
from headreuse.training.torchrun import is_writer, n_ranks
from headreuse.training.trimming import by_length, takes_logits_to_keep

OnStep = Callable[[int, float], None]
"""Called with a step and its loss: every step on a CPU; on a GPU every `GPU_LOSS_EVERY`-th and every saved step."""
GPU_LOSS_EVERY = 20
"""Reading the loss more often would slow a GPU down, since it forces a sync."""


def untold(_step: int, _loss: float) -> None:
    """Nothing is told of the steps."""


class JointTrainer(Trainer):
    """The Transformers Trainer on ready-made batches; its checkpoints appear in `series` complete or not at all."""

    def __init__(self, *, series: TrainedSeries, mask: TrainingMask | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.series = series
        self.mask = mask
        assert isinstance(self.train_dataset, Batches)
        # A GPU waits for calls rather than for padding, and compiled models want batches of one shape.
        self.trims = self.args.device.type == "cpu" and n_ranks() == 1 and not self.train_dataset.group.training.compile
        self.slices_logits = takes_logits_to_keep(settings["model"])
        self.loss = torch.tensor(0.0)
        """Of the step's batch, as far as it has come."""
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> DataLoader:
        """The batches, unchanged."""
        assert isinstance(self.train_dataset, Batches)
        return loader(self.train_dataset, self.args.device)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Tensor:
        """A usual step, in which only the heads of the batch's task write; its loss is kept for `Follower`."""
        if self.mask is not None:
            assert isinstance(self.train_dataset, Batches)
            self.mask.open_for(self.train_dataset.group.heads[int(inputs.pop(TASK))])
        parts = by_length(inputs, slices_logits=self.slices_logits) if self.trims else [inputs]
        losses = [super(JointTrainer, self).training_step(model, part, *args, **kwargs) for part in parts]
        loss = torch.stack(losses).sum()
        # Of a batch in parts each gives its share.
        self.loss = self.loss + loss
        return loss

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Not counted, since passing over all parameters at every step takes time."""
        return 0

    def store_flos(self) -> None:
        """Does nothing: adding up the operations would make all processes wait for each other at every save."""

    def _prepare_input(self, data: Any) -> Any:
        """Copy to the device without waiting: batches are in pinned memory, and the stream keeps the order."""
        if isinstance(data, Tensor):
            return data.to(self.args.device, non_blocking=True)
        return super()._prepare_input(data)

    def _save_rng_state(self, output_dir: str) -> None:
        """Does nothing: batches depend on the step alone, and nothing else in training is random."""

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        if not is_writer():
            return
        step = self.state.global_step
        draft = self.series.drafts / f"checkpoint-{step}"
        with saved(self.series.folder / draft.name, draft):
            super()._save_checkpoint(*args, **kwargs)
            self.series.publish(draft, step)


class Follower(TrainerCallback):
    """Reports the loss, and asks for a checkpoint at the steps given."""

    def __init__(self, trainer: JointTrainer, steps: Collection[int], on_step: OnStep) -> None:
        self.trainer = trainer
        self.on_step = on_step
        self.steps = frozenset(steps)
        self.loss_every = 1 if trainer.args.device.type == "cpu" else GPU_LOSS_EVERY

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Before the first part of a batch."""
        self.trainer.loss = torch.zeros_like(self.trainer.loss)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """After the optimiser has moved the weights."""
        step = state.global_step
        control.should_save = step in self.steps
        if step % self.loss_every and not control.should_save:
            return
        loss = self.trainer.loss.item()
        if not math.isfinite(loss):
            raise HeadreuseError(
                f"{self.trainer.series.folder}: the loss is {loss} at step {step}; try a lower learning_rate"
            )
        self.on_step(step, loss)


def set_up(model: PreTrainedModel, spec: TrainingSpec) -> None:
    """Compile a model, and let it keep fewer activations, where the study says so."""
    if spec.compile:
        model.compile()
    if spec.gradient_checkpointing:
        # Renamed in later versions of Transformers.
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})


def training_arguments(spec: TrainingSpec, *, seed: int, drafts: str) -> TrainingArguments:
    """The Trainer's arguments: the study's schedule; the Trainer itself saves and shows nothing, and logs only what is
    reported elsewhere."""
    arguments = TrainingArguments(
        drafts,
        max_steps=spec.steps,
        seed=seed,
        learning_rate=spec.learning_rate,
        lr_scheduler_type="warmup_stable_decay",
        warmup_steps=round(spec.warmup * spec.steps),
        lr_scheduler_kwargs={"num_decay_steps": round(spec.decay * spec.steps), "decay_type": "cosine"},
        adam_beta1=spec.betas[0],
        adam_beta2=spec.betas[1],
        weight_decay=spec.weight_decay,
        max_grad_norm=spec.clip,
        bf16=spec.bf16,
        gradient_accumulation_steps=spec.n_parts,
        # `Batches` starts at the right step by itself.
        ignore_data_skip=True,
        use_cpu=not torch.cuda.is_available(),
        **(_together() if n_ranks() > 1 else {}),
        save_strategy="no",
        logging_strategy="steps" if spec.report_to else "no",
        logging_steps=spec.log_every,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )
    # One model uses one device: if the Trainer sees several GPUs, it splits each batch among them.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _together() -> dict[str, Any]:
    """Arguments for several processes that train one model."""
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    return {"ddp_backend": backend, "ddp_find_unused_parameters": False}


def check_supported(spec: TrainingSpec) -> None:
    """Raise if this machine cannot do what the study asks for, before anything is built."""
    check_reporters(spec)
    has_gpu = torch.cuda.is_available()
    if spec.bf16 and has_gpu and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise HeadreuseError(f"training.bf16: {torch.cuda.get_device_name()} has no bfloat16; leave bf16 out")
    if spec.compile and not any(shutil.which(name) for name in (os.environ.get("CXX", "c++"), "g++", "clang++")):
        raise HeadreuseError("training.compile: torch.compile needs a C++ compiler; install g++ or leave compile out")
    if spec.compile and has_gpu and not find_spec("triton"):
        raise HeadreuseError("training.compile: torch.compile needs Triton on a GPU; install it or leave compile out")
