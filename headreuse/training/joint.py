"""Train one model jointly on the tasks of a group, so that a kill at any moment costs only what came after a save."""

from pathlib import Path

from headreuse.errors import HeadreuseError
from headreuse.models.architectures import build_model, quiet_transformers
from headreuse.models.masks import TrainingMask
from headreuse.models.positions import POSITIONS
from headreuse.models.tokenizer import build_tokenizer
from headreuse.prompts import Vocabulary
from headreuse.records import Checkpoint
from headreuse.study import limits
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.settings_digest import training_digest
from headreuse.study.streams import weights_seed
from headreuse.training.batches import Batches
from headreuse.training.reporting import reported
from headreuse.training.series import TrainedSeries, check_can_go_on
from headreuse.training.torchrun import is_writer, n_ranks
from headreuse.training.trainer import (
    Follower,
    JointTrainer,
    OnStep,
    check_supported,
    set_up,
    training_arguments,
    untold,
)
from headreuse.training.watching import Watcher, watched_prompts

__all__ = ["Batches", "train"]


def train(study: Study, group: Group, seed: int, folder: Path, *, on_step: OnStep = untold) -> None:
    """Train to the end, from the last checkpoint in `folder` on, and keep the checkpoints of the schedule there.

    On one machine's CPU an interrupted training gives the weights of an undisturbed one, bit for bit. Started by
    torchrun, this is called in each process; the first alone writes into the folder.
    """
    series = TrainedSeries(folder, group.name, seed, training_digest(study, group), group.heads_by_task)
    if is_writer():
        series.drop_drafts()
    last = series.last()
    if last is None or last.step < group.training.steps:
        _train_from(last, study, group, series, on_step)
        if is_writer():
            series.drop_drafts()
    if is_writer():
        series.drop_resume_files()


def _train_from(last: Checkpoint | None, study: Study, group: Group, series: TrainedSeries, on_step: OnStep) -> None:
    spec, first = group.training, last.step if last else 0
    if last:
        check_can_go_on(last)
    check_supported(spec)
    if (size := spec.batch_size // spec.n_parts) < n_ranks():
        raise HeadreuseError(f"{group.name}: a batch of {size} cannot be shared by {n_ranks()} processes; start fewer")
    with quiet_transformers():
        trainer = _build_trainer(study, group, series, first=first)
        if is_writer():
            series.logbook.cut(first)
            watched = watched_prompts(study, group, _vocabulary(study, group))
            watcher = Watcher(trainer.model, watched, series.logbook, every=spec.log_every, mask=trainer.mask)
            if spec.report_to:
                watcher.tell = trainer.log
            trainer.add_callback(watcher)
        trainer.add_callback(Follower(trainer, spec.checkpoints.steps(spec.steps), on_step))
        with reported(trainer, spec, series.curves, f"{study.name}/{group.name}/seed-{series.label}"):
            trainer.train(resume_from_checkpoint=str(last.path) if last else None)


def _build_trainer(study: Study, group: Group, series: TrainedSeries, *, first: int) -> JointTrainer:
    vocabulary = _vocabulary(study, group)
    seed = weights_seed(group.twins, int(series.label))
    spec, tasks = study.model_of(group), [study.task(name) for name in group.task_names]
    settings = POSITIONS[spec.position].settings(tasks, vocabulary, study.positions_to(group))
    size = {"vocab_size": len(vocabulary), "max_positions": limits.POSITIONS}
    model = build_model(spec, **size, seed=seed, settings=settings)
    # Heads are found before a model is compiled or keeps fewer activations.
    mask = TrainingMask(model) if group.heads else None
    set_up(model, group.training)
    return JointTrainer(
        series=series,
        mask=mask,
        model=model,
        args=training_arguments(group.training, seed=int(series.label), drafts=str(series.drafts)),
        train_dataset=Batches(study, group, vocabulary, first),
        processing_class=build_tokenizer(vocabulary),
    )


def _vocabulary(study: Study, group: Group) -> Vocabulary:
    return Vocabulary.of([study.task(name) for name in group.task_names])
