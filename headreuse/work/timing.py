"""How long will a study take on this machine? A few training steps and one measured checkpoint are timed.

They are of the real model and batch of the group that takes longest. The time of the others follows from their tokens
and the size of their models.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from headreuse.errors import HeadreuseError
from headreuse.measurements.base import measuring_cost
from headreuse.sources.trained import Trained, scheduled
from headreuse.store.folder import RunFolder
from headreuse.study.config import Study
from headreuse.study.costs import n_parameters
from headreuse.study.group import Group
from headreuse.study.runs import Run
from headreuse.study.training_spec import CheckpointSchedule
from headreuse.work.jobs import MeasureJob
from headreuse.work.progress import progress

MOST_STEPS = 60
"""Training steps that are timed; more than one on a GPU, which tells its steps in twenties."""
TRAINING_SECONDS = 8.0
"""After so many no further step is timed."""
MEASURING_SECONDS = 8.0
"""Fewer examples are measured where a checkpoint would take longer."""
FEWEST_EXAMPLES = 4


@dataclass(frozen=True)
class Pace:
    """How fast this machine is with one process."""

    group: str
    """The one that was timed."""
    seconds_a_step: float
    """Of its training."""
    seconds_a_checkpoint: float
    """Of measuring one of its checkpoints."""


class _EnoughError(Exception):
    """Ends a training that has been timed."""


def trained_here(study: Study) -> list[Group]:
    """The groups whose checkpoints are not given."""
    return [group for group in study.groups if group.source is None]


def pace_of(study: Study, *, n_threads: int) -> Pace | None:
    """Time the group that takes longest; None where no group is trained here."""
    groups = trained_here(study)
    if not groups:
        return None
    group = max(groups, key=lambda one: _training_work(study, one) + _measuring_work(study, one) * len(scheduled(one)))
    # Loads torch, which planning alone needs here.
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        with TemporaryDirectory() as folder:
            return _timed(study, group, Path(folder) / "timed")
    finally:
        torch.set_num_threads(before)


def seconds_of(study: Study, pace: Pace, *, n_seeds: int, denser: int, n_workers: int) -> float:
    """What a study takes with so many seeds, and so many times as many checkpoints, once workers have started."""
    timed = study.group(pace.group)
    a_step = pace.seconds_a_step * timed.training.steps / _training_work(study, timed)
    a_checkpoint = pace.seconds_a_checkpoint / _measuring_work(study, timed)
    total = sum(
        a_step * _training_work(study, group)
        + a_checkpoint * _measuring_work(study, group) * denser * len(scheduled(group))
        for group in trained_here(study)
    )
    return n_seeds * total / n_workers


def _training_work(study: Study, group: Group) -> float:
    return Trained(Path()).cost_to_make(Run(group, 0, Trained(Path()))) * n_parameters(study.model_of(group))


def _measuring_work(study: Study, group: Group) -> float:
    return measuring_cost(study, group) * n_parameters(study.model_of(group))


def _timed(study: Study, group: Group, root: Path) -> Pace:
    first_step = CheckpointSchedule(at=(1,))
    changes = {"steps": MOST_STEPS, "checkpoints": first_step, "log_every": 10 * MOST_STEPS, "compile": False}
    short = group.model_copy(update={"training": group.training.model_copy(update=changes)})
    alone = study.model_copy(update={"seeds": study.seeds[:1], "groups": (short,), "primary": type(study.primary)()})
    a_step = _seconds_a_step(alone, short, RunFolder.create(root, alone, "headreuse plan"))
    # A token costs three times as much in training.
    tokens = group.training.batch_size * _tokens_an_example(group)
    fewer = _with_fewer_examples(alone, MEASURING_SECONDS / (measuring_cost(alone, short) * a_step / (3 * tokens)))
    seconds = _seconds_a_checkpoint(RunFolder.create(root, fewer, "headreuse plan"))
    return Pace(group.name, a_step, seconds * measuring_cost(alone, short) / measuring_cost(fewer, short))


def _seconds_a_step(study: Study, group: Group, folder: RunFolder) -> float:
    from headreuse.training.joint import train

    seed, began = study.seeds[0], time.monotonic()
    told: list[tuple[int, float]] = []

    def on_step(step: int, _loss: float) -> None:
        told.append((step, time.monotonic()))
        if len(told) > 2 and told[-1][1] - began > TRAINING_SECONDS:
            raise _EnoughError

    with suppress(_EnoughError):
        train(study.loaded(), group, seed, folder.series_folder(group.name, seed), on_step=on_step)
    return median(_differences(told[1:]))  # the first saves a checkpoint


def _differences(told: Sequence[tuple[int, float]]) -> list[float]:
    return [(later - now) / (step - before) for (before, now), (step, later) in pairwise(told)]


def _tokens_an_example(group: Group) -> float:
    cost = Trained(Path()).cost_to_make(Run(group, 0, Trained(Path())))
    return cost / (3 * group.training.steps * group.training.batch_size)


def _with_fewer_examples(study: Study, share: float) -> Study:
    if share >= 1:
        return study
    measures = study.measures
    changes = {
        name: max(FEWEST_EXAMPLES, round(share * getattr(measures, name)))
        for name in ("n_examples", "n_score_examples")
    }
    return study.model_copy(update={"measures": measures.model_copy(update=changes)})


def _seconds_a_checkpoint(folder: RunFolder) -> float:
    (entry,) = progress(folder)
    first = entry.checkpoints[0]
    job = MeasureJob(folder, entry.run, first.checkpoint, first.missing)
    began = time.monotonic()
    if problems := job.run(lambda _fraction, _note: None):
        raise HeadreuseError(f"a checkpoint of {entry.run.group.name} could not be measured: {problems[0]}")
    return time.monotonic() - began
