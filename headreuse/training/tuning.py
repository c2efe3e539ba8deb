"""Fine-tune a pretrained model on the tasks of a group; a kill at any moment costs what came after the last save.

Published work says neither rate nor length of fine-tuning (Cai et al. 2025, arXiv 2506.09251, on pretrained models).
What is as in training from scratch: tasks and lengths are drawn uniformly, only answers have a loss, held-out prompts
stay held out, and there is no dropout, whatever the model was pretrained with.
"""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from headreuse.errors import HeadreuseError
from headreuse.models.architectures import quiet_transformers
from headreuse.models.checkpoints import load_model, note_whole
from headreuse.prompts import Encoder, make_prompts
from headreuse.prompts.fitting import check_fits
from headreuse.records import Checkpoint
from headreuse.store.fingerprints import TOKENIZER_FILES
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.settings_digest import training_digest
from headreuse.study.streams import weights_seed
from headreuse.training.batches import Batches
from headreuse.training.lora import adapted, merged
from headreuse.training.reporting import reported
from headreuse.training.series import CURVES, saved
from headreuse.training.states import TRAINED, StateSeries
from headreuse.training.trainer import Follower, JointTrainer, OnStep, check_supported, set_up, training_arguments

BESIDE_WEIGHTS = (*TOKENIZER_FILES, "chat_template.jinja")
"""Files that a fine-tuned model takes over as they are."""
N_LONGEST = 4
"""Examples of a task's longest length whose tokens are counted before training."""


@dataclass(frozen=True)
class Tuning:
    """One fine-tuning: from one pretrained model, of one group and seed."""

    study: Study
    group: Group
    seed: int
    start: Checkpoint
    """The pretrained model, on this machine; its step is that of its pretraining."""
    encoder: Encoder
    """How examples become its tokens."""
    folder: Path
    """Where the fine-tuned model will lie, as `checkpoint-<step of pretraining>`."""
    bf16: bool = False
    """Whether it is kept in bfloat16."""
    allow_pickles: bool = False
    """Whether the pretrained weights may be read from `.bin` files."""

    @property
    def place(self) -> Path:
        """The folder of the fine-tuned model."""
        return self.folder / f"checkpoint-{self.start.step}"

    @property
    def own_seed(self) -> int:
        """Another for each family of groups and seed; the same for every pretrained model that these start from."""
        return weights_seed(self.group.twins, self.seed)

    def batches(self, first: int) -> Batches:
        """What it is trained on from step `first` on."""
        return Batches(self.study, self.group, self.encoder, first, tuning_seed=self.own_seed)

    @property
    def states(self) -> StateSeries:
        """What it goes on from after a kill."""
        digest = f"{training_digest(self.study, self.group)} {self.start.fingerprint}"
        return StateSeries(self.folder / ".tuning" / str(self.start.step), self.group.name, self.seed, digest)


def tune(tuning: Tuning, *, on_step: OnStep) -> None:
    """Fine-tune to the end, from the last saved state on, and keep the model with its tokenizer and its note.

    On one machine's CPU an interrupted fine-tuning gives the weights of an undisturbed one, bit for bit.
    """
    if tuning.place.exists():
        raise HeadreuseError(f"{tuning.place}: no whole checkpoint of this training; move it away")
    check_supported(tuning.group.training)
    states = tuning.states
    states.drop_drafts()
    with quiet_transformers():
        model = _tuned(tuning, states, on_step)
        draft = states.drafts / tuning.place.name
        with saved(tuning.place, draft):
            _publish(model, tuning, draft)
    shutil.rmtree(states.folder, ignore_errors=True)
    with suppress(OSError):
        # Others may be under way.
        states.folder.parent.rmdir()


def without_dropout(model: nn.Module) -> None:
    """Turn a model's dropout off for good, in whatever way its parts have it; its configuration stays as it is."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name, value in list(vars(module).items()):
            if "dropout" in name and isinstance(value, float):
                setattr(module, name, 0.0)


class _TuningTrainer(JointTrainer):
    """Saves the weights that are trained and no others: under LoRA the changes alone."""

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        draft = Path(str(output_dir))
        draft.mkdir(parents=True, exist_ok=True)
        weights = {name: weight.detach().cpu().contiguous() for name, weight in self._trained().items()}
        save_file(weights, draft / TRAINED)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        kept = load_file(Path(resume_from_checkpoint) / TRAINED)
        with torch.no_grad():
            for name, weight in self._trained().items():
                weight.copy_(kept[name])

    def _trained(self) -> dict[str, Tensor]:
        assert isinstance(self.model, nn.Module)
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}


def _tuned(tuning: Tuning, states: StateSeries, on_step: OnStep) -> PreTrainedModel:
    spec, last = tuning.group.training, states.last_whole()
    model: Any = load_model(tuning.start.path, allow_pickles=tuning.allow_pickles)
    _check_lengths(tuning, model)
    without_dropout(model)
    set_up(model, spec)
    trainer = _TuningTrainer(
        series=states,
        model=model if spec.lora is None else adapted(model, spec.lora, seed=tuning.own_seed),
        args=training_arguments(spec, seed=tuning.seed, drafts=str(states.drafts)),
        train_dataset=tuning.batches(last.step if last else 0),
    )
    # What is saved after the last step is the model itself.
    trainer.add_callback(Follower(trainer, set(spec.checkpoints.steps(spec.steps)) - {spec.steps}, on_step))
    name = f"{tuning.study.name}/{tuning.group.name}/seed-{tuning.seed}/from-{tuning.start.step}"
    try:
        with reported(trainer, spec, tuning.folder / CURVES / str(tuning.start.step), name):
            trainer.train(resume_from_checkpoint=str(last.path) if last else None)
    except torch.OutOfMemoryError:
        raise HeadreuseError(
            f"{tuning.place}: the memory of the GPU is full; set training.micro_batch "
            f"(of {spec.batch_size}, at once: {spec.micro_batch or spec.batch_size}) lower, or run with fewer --workers"
        ) from None
    return merged(trainer.model)


def _check_lengths(tuning: Tuning, model: PreTrainedModel) -> None:
    """Raise where the longest examples of a task have more tokens than the model has positions."""
    for entry in tuning.group.tasks:
        task, generator = tuning.study.task(entry.task), np.random.default_rng(0)
        longest = np.full(N_LONGEST, entry.max_length)
        check_fits(make_prompts(task, longest, generator, tuning.encoder, entry.form), model)


def _publish(model: PreTrainedModel, tuning: Tuning, draft: Path) -> None:
    """Write the whole folder, then give it its name."""
    plain: Any = model.to("cpu")  # type: ignore[arg-type]
    (plain.to(torch.bfloat16) if tuning.bf16 else plain).save_pretrained(draft)
    for pattern in BESIDE_WEIGHTS:
        for file in tuning.start.path.glob(pattern):
            shutil.copyfile(file, draft / file.name)
    settings = training_digest(tuning.study, tuning.group)
    start = tuning.start
    note_whole(draft, tuning.group.name, tuning.seed, start.step, settings=settings, start=start.fingerprint)
    os.rename(draft, tuning.place)
