"""Training curves for those who have TensorBoard or Weights & Biases: loss and accuracy, by the Trainer's callbacks."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import Trainer
from transformers.integrations import TensorBoardCallback, WandbCallback

from headreuse.errors import HeadreuseError
from headreuse.store.training_log import LogLine
from headreuse.study.training_spec import TrainingSpec
from headreuse.training.torchrun import is_writer

PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}
"""Any of these does, by what `report_to` names."""


def check_reporters(spec: TrainingSpec) -> None:
    """Raise where a package is missing that the study wants training curves in."""
    for name in spec.report_to:
        if not any(map(find_spec, PACKAGES[name])):
            raise HeadreuseError(
                f"training.report_to: {name} is not installed; pip install {name}, or leave it out of report_to"
            )


@contextmanager
def reported(trainer: Trainer, spec: TrainingSpec, folder: Path, name: str) -> Iterator[None]:
    """Within the block, what a trainer logs goes where the study wants it; nothing does where it says nothing.

    Args:
        trainer: it logs every `log_every` steps.
        spec: its `report_to`.
        folder: for the files of TensorBoard, or of W&B.
        name: of the run, for W&B.
    """
    if not is_writer():
        yield
        return
    if "tensorboard" in spec.report_to:
        callback = TensorBoardCallback()
        callback.logging_dir = str(folder)
        trainer.add_callback(callback)
    if "wandb" not in spec.report_to:
        yield
        return
    run = _begun(folder, name)
    try:
        # Takes the run that has begun.
        trainer.add_callback(WandbCallback())
        yield
    finally:
        # Or the next model that this process trains would go on with it.
        run.finish()


def _begun(folder: Path, name: str) -> Any:
    """A run of W&B; raises where nobody is signed in."""
    # Asked for by few, and slow to import.
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    try:
        project = os.environ.get("WANDB_PROJECT", "headreuse")
        return wandb.init(project=project, name=name, dir=folder, reinit="finish_previous")
    except wandb.Error as error:
        what = " ".join(str(error).split())
        raise HeadreuseError(
            f"training.report_to: wandb: {what}; sign in with `wandb login`, set WANDB_MODE=offline, or leave it out"
        ) from error


def as_logs(lines: list[LogLine]) -> dict[str, float]:
    """Accuracies of a look at the model by names that a Trainer's callbacks sort under `eval`."""
    return {f"eval_{line.task}/accuracy_at_length_{line.length}": line.accuracy for line in lines}
