"""A study as a list of pieces of work: which are done, which are missing, and how much each costs."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from headreuse.errors import HeadreuseError
from headreuse.records import Checkpoint
from headreuse.store.folder import RunFolder, Unit, own_checkpoint
from headreuse.study.config import Group, Study

DRAWN_WITH = ("alphabet_size", "grid_size", "data_seed")
"""The settings of a study that its prompts depend on."""
RANKED_BY = "mean_ablation"
"""The score whose top heads make the sets of functional overlap."""


@dataclass(frozen=True)
class TrainingRun:
    """One model to train: a group from one initialisation."""

    group: Group
    seed: int

    def __str__(self) -> str:
        return f"{self.group.name} seed {self.seed}"

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps at which its checkpoints are kept."""
        return self.group.training.checkpoints.steps(self.group.training.steps)


@dataclass(frozen=True)
class Progress:
    """How far one run of a study has come."""

    run: TrainingRun
    checkpoints: tuple[Checkpoint, ...]
    """Those of the schedule that are complete."""
    missing_steps: tuple[int, ...]
    done: tuple[Unit, ...]
    missing: tuple[Unit, ...]
    """Of the complete checkpoints; those still to be trained will add theirs."""


def training_runs(study: Study) -> tuple[TrainingRun, ...]:
    """All models of a study; the longest to train come first, so that workers finish together."""
    runs = [TrainingRun(group, seed) for group in study.groups for seed in study.seeds]
    return tuple(sorted(runs, key=training_cost, reverse=True))


def training_cost(run: TrainingRun) -> float:
    """Tokens that pass through the model in training, a backward pass counted as two."""
    spec = run.group.training
    mean_length = sum(entry.min_length + entry.max_length for entry in run.group.tasks) / len(run.group.tasks)
    return 3.0 * spec.steps * spec.batch_size * (mean_length + 4)


def measuring_cost(study: Study, run: TrainingRun) -> float:
    """Tokens that pass through the model to measure one checkpoint of a run with full passes."""
    measures, group = study.measures, run.group
    curves = sum(
        measures.n_examples * (2 * length + 4)
        for entry in group.tasks
        for length in study.eval_lengths(group, entry.task)
    )
    n_heads = study.model_of(group).n_layers * study.model_of(group).n_heads
    tokens = measures.n_score_examples * (2 * study.score_length(group) + 4) * len(group.tasks)
    return float(curves + tokens * (1 + n_heads * len(measures.methods)))


def units_of(study: Study, group: Group, checkpoint: Checkpoint) -> Iterator[Unit]:
    """All measurements that the study wants of one checkpoint."""
    measures = study.measures
    length = study.score_length(group)
    drawn = {name: getattr(study, name) for name in DRAWN_WITH}
    for entry in group.tasks:
        lengths = list(study.eval_lengths(group, entry.task))
        yield Unit("evaluation", checkpoint, entry.task, drawn | {"lengths": lengths, "n": measures.n_examples})
    asked = drawn | {"length": length, "n": measures.n_score_examples}
    for entry in group.tasks:
        yield Unit("pattern", checkpoint, entry.task, asked)
    for method in measures.methods:
        for entry in group.tasks:
            yield Unit("head_scores", checkpoint, entry.task, asked | {"method": method})
    if checkpoint.step == group.training.steps and RANKED_BY in measures.methods and measures.functional_sets:
        sources = [entry.task for entry in group.tasks]
        sets = {"method": RANKED_BY, "sources": sources, "top_k": measures.top_k, "n_sets": measures.functional_sets}
        for entry in group.tasks:
            yield Unit("set_ablation", checkpoint, entry.task, asked | sets)


def complete_checkpoints(folder: RunFolder, run: TrainingRun) -> tuple[Checkpoint, ...]:
    """The checkpoints of a run's schedule that are there, whole."""
    series = folder.series_folder(run.group.name, run.seed)
    found = (own_checkpoint(series / f"checkpoint-{step}") for step in run.steps)
    return tuple(checkpoint for checkpoint in found if checkpoint is not None)


def progress(study: Study, folder: RunFolder) -> tuple[Progress, ...]:
    """How far each run of the study has come."""
    found = []
    for run in training_runs(study):
        checkpoints = complete_checkpoints(folder, run)
        units = [unit for checkpoint in checkpoints for unit in units_of(study, run.group, checkpoint)]
        done = {unit for unit in units if folder.unit_file(unit).exists()}
        steps = {checkpoint.step for checkpoint in checkpoints}
        found.append(
            Progress(
                run,
                checkpoints,
                tuple(step for step in run.steps if step not in steps),
                tuple(unit for unit in units if unit in done),
                tuple(unit for unit in units if unit not in done),
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class Missing:
    """What a study still needs, before it is done."""

    n_runs: int
    n_checkpoints: int
    """Complete ones with measurements missing; those of runs still in training come on top."""
    n_units: int

    def __str__(self) -> str:
        parts = []
        if self.n_runs:
            parts.append(f"{counted(self.n_runs, 'model')} to train")
        if self.n_units:
            at = counted(self.n_checkpoints, "checkpoint")
            parts.append(f"{counted(self.n_units, 'measurement')} to take at {at}")
        return ", ".join(parts) or "nothing to do"

    def __bool__(self) -> bool:
        return bool(self.n_runs or self.n_units)


def missing(found: Iterable[Progress], *, train: bool, measure: bool) -> Missing:
    """What is missing of these runs, counting only the stages asked for."""
    found = list(found)
    n_runs = sum(bool(entry.missing_steps) for entry in found) if train else 0
    units = [unit for entry in found for unit in entry.missing] if measure else []
    return Missing(n_runs, len({unit.checkpoint for unit in units}), len(units))


def counted(n: int, noun: str) -> str:
    """`1 model`, `2 models`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


@dataclass(frozen=True)
class Shard:
    """The part of the work that one of several machines does."""

    index: int
    """From 1 to `n`."""
    n: int

    @classmethod
    def parse(cls, text: str | None) -> "Shard":
        """`2/4` is the second of four parts; None is all of it."""
        if text is None:
            return cls(1, 1)
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise HeadreuseError(f"--shard {text!r}: not a part such as 1/4, 2/4, 3/4 or 4/4")
        return cls(int(match[1]), int(match[2]))

    def holds(self, name: str) -> bool:
        """Whether the piece of work of that name is in this part; the same on every machine."""
        return int(hashlib.sha256(name.encode()).hexdigest(), 16) % self.n == self.index - 1
