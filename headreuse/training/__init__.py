"""Train one model jointly on the tasks of a group, so that a kill at any moment costs only what came after a save."""

from pathlib import Path

from headreuse.config import Group, Study
from headreuse.logbook import Logbook
from headreuse.models import build_model, quiet_transformers
from headreuse.store import TRAINING_LOG
from headreuse.tokenizer import build_tokenizer
from headreuse.training.batches import Batches
from headreuse.training.series import Series, check_can_go_on
from headreuse.training.trainer import Follower, JointTrainer, OnStep, training_arguments
from headreuse.vocabulary import Vocabulary

__all__ = ["Batches", "train"]

MAX_POSITIONS = 1024
"""Written into the model's configuration for tools that ask; no weight depends on it."""


def train(study: Study, group: Group, seed: int, folder: Path, *, on_step: OnStep) -> None:
    """Train to the end, from the last checkpoint in `folder` on, and keep the checkpoints of the schedule there.

    On one machine's CPU an interrupted training gives the weights of an undisturbed one, bit for bit.
    """
    series = Series(folder, group.name, seed)
    series.drop_drafts()
    last = series.last()
    if last is None or last.step < group.training.steps:
        if last:
            check_can_go_on(last)
        with quiet_transformers():
            trainer = _build_trainer(study, group, series, first=last.step if last else 0)
            trainer.add_callback(Follower(trainer, group.training, on_step))
            trainer.train(resume_from_checkpoint=str(last.path) if last else None)
        series.drop_drafts()
    series.drop_resume_files()


def _build_trainer(study: Study, group: Group, series: Series, *, first: int) -> JointTrainer:
    vocabulary = Vocabulary.of([study.task(name) for name in group.task_names])
    return JointTrainer(
        series=series,
        model=build_model(
            study.model_of(group), vocab_size=len(vocabulary), max_positions=MAX_POSITIONS, seed=series.seed
        ),
        args=training_arguments(group.training, seed=series.seed, drafts=str(series.drafts)),
        train_dataset=Batches(study, group, vocabulary, first),
        processing_class=build_tokenizer(vocabulary),
    )
