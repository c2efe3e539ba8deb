"""The check of a study: each group's checkpoints listed, its prompts made, one model timed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from headreuse.errors import HeadreuseError
from headreuse.measurements.base import units_of
from headreuse.prompts import make_prompts
from headreuse.records import Checkpoint, Prompts
from headreuse.sources import source_of
from headreuse.sources.given import Given
from headreuse.sources.tuned import Tuned
from headreuse.store.folder import RunFolder
from headreuse.store.units import Unit
from headreuse.study.config import Study
from headreuse.study.costs import n_parameters
from headreuse.study.group import Group
from headreuse.study.runs import Label, Run, Source
from headreuse.study.streams import Stream
from headreuse.work.checking.costs import (
    BYTES_A_WEIGHT,
    disk_free,
    memory_free,
    passes,
    result_bytes,
    tokens_trained,
    worker_bytes,
)
from headreuse.work.checking.facts import Facts, PromptsFacts, RunFacts
from headreuse.work.checking.models import Sample, sampled
from headreuse.work.machine import side_by_side
from headreuse.work.timing import pace_of, seconds_of, trained_here

Tell = Callable[[str], None]


@dataclass(frozen=True)
class _Looked:
    """What one model that is given tells of all checkpoints beside it."""

    facts: RunFacts
    n_tokens: dict[str, float]
    """Of one prompt with its answer, by task."""
    trained_tokens: float
    """Of one fine-tuning; 0 where none is asked for."""


class _Gathering:
    """What is found on the way."""

    def __init__(self, study: Study, n_threads: int, tell: Tell) -> None:
        self.study = study
        self.n_threads = n_threads
        self.tell = tell
        self.problems: list[str] = []
        self.runs: list[RunFacts] = []
        self.prompts: list[PromptsFacts] = []
        self.seconds = self.tuning_seconds = self.disk = 0.0
        self.n_tuned_runs = 0
        self.looked: dict[tuple[str, Label], _Looked | None] = {}
        self.downloaded: set[str] = set()
        self.n_to_train = self.n_checkpoints = self.n_measurements = 0

    def group(self, group: Group, folder: RunFolder) -> None:
        """One group; what is wrong with it is noted and leaves the others alone."""
        try:
            source = source_of(group, folder)
            for label in source.labels(self.study, group):
                self._run(Run(group, label, source))
        except HeadreuseError as error:
            self.problems += [f"{group.name}: {line}" for line in str(error).splitlines()]

    def _run(self, run: Run) -> None:
        if isinstance(run.source, Given):
            self._given(run)
        elif isinstance(run.source, Tuned):
            self._tuned(run, run.source)
        else:
            self._trained(run)

    def _trained(self, run: Run) -> None:
        """A run whose models are trained from scratch, all of them at once."""
        n_checkpoints = len(run.checkpoints) + len(run.missing)
        self.n_to_train += 1
        self.disk += BYTES_A_WEIGHT * n_parameters(self.study.model_of(run.group)) * n_checkpoints
        self._measured(run, None, n_checkpoints)

    def _tuned(self, run: Run, source: Tuned) -> None:
        """A run whose models are fine-tuned, each from one of the checkpoints that are given."""
        start = source.pretraining(run)
        if (looked := self._looked_at(start, source)) is None:
            return
        n_checkpoints = len(start.checkpoints)
        self.n_to_train += n_checkpoints
        self.n_tuned_runs += 1
        self.tuning_seconds += looked.facts.seconds_a_token * looked.trained_tokens * n_checkpoints
        self.disk += looked.facts.n_bytes * n_checkpoints * (0.5 if source.spec.bf16 else 1)
        self._measured(run, looked, n_checkpoints)

    def _given(self, run: Run) -> None:
        """A run whose checkpoints are there."""
        if looked := self._looked_at(run, run.source):
            self._measured(run, looked, len(run.checkpoints))

    def _measured(self, run: Run, looked: _Looked | None, n_checkpoints: int) -> None:
        """Measurements, the disk that their results take, and where a model has been timed the time."""
        facts = looked.facts if looked else None
        for index in range(n_checkpoints):
            checkpoint = Checkpoint(Path(), index, f"{run} {index}")
            for unit in units_of(self.study, run.group, checkpoint, is_last=index == n_checkpoints - 1):
                self.n_measurements += 1
                self.disk += result_bytes(unit, facts)
                self.seconds += self._seconds_to_measure(run, unit, looked) if looked else 0.0
        self.n_checkpoints += n_checkpoints

    def _seconds_to_measure(self, run: Run, unit: Unit, looked: _Looked) -> float:
        tokens = looked.n_tokens.get(unit.task, 0.0) * unit.settings["n"]
        return looked.facts.seconds_a_token * tokens * passes(self.study, run.group, unit, looked.facts)

    def _looked_at(self, given: Run, reader: Source) -> _Looked | None:
        """What a run that is given tells, looked at once for all that start from it; None where it is empty."""
        key = (given.group.name, given.label)
        if key not in self.looked:
            self.looked[key] = self._look(given, reader)
        return self.looked[key]

    def _look(self, given: Run, reader: Source) -> _Looked | None:
        self.tell(f"looking at {given}")
        if not given.checkpoints:
            left_out = given.source.problems(given)
            self.problems.append(f"{given}: none of its checkpoints can be used: {left_out[0] if left_out else 'none'}")
            return None
        is_start = reader is not given.source
        with sampled(given, reader) as sample:
            prompts = dict(self._prompts(sample))
            facts = self._facts(sample, prompts, is_start=is_start)
            can_train = is_start and len(prompts) == len(given.group.tasks)
            trained = tokens_trained(self.study, given.group, sample.encoder) if can_train else 0.0
        self.runs.append(facts)
        new = {checkpoint.fingerprint for checkpoint in given.checkpoints} - self.downloaded
        self.downloaded |= new
        self.disk += 0 if facts.is_here else facts.n_bytes * len(new)
        return _Looked(facts, {task: made.tokens.size / len(made) for task, made in prompts.items()}, trained)

    def _facts(self, sample: Sample, prompts: dict[str, Prompts], *, is_start: bool) -> RunFacts:
        run = sample.run
        timed = sample.seconds_a_token(next(iter(prompts.values())), self.n_threads) if prompts else 0.0
        return RunFacts(
            group=run.group.name,
            run=str(run.label),
            steps=tuple(checkpoint.step for checkpoint in run.checkpoints),
            left_out=run.source.problems(run),
            n_layers=sample.n_layers,
            n_heads=sample.n_heads,
            n_positions=sample.n_positions,
            n_bytes=sample.n_parameters * BYTES_A_WEIGHT,
            is_here=sample.is_here,
            seconds_a_token=timed,
            is_start=is_start,
        )

    def _prompts(self, sample: Sample) -> Iterator[tuple[str, Prompts]]:
        """The prompts of each task for a run's tokenizer, at the length that is longest."""
        run = sample.run
        for task in run.group.task_names:
            try:
                longest, scored = self._made_of(sample, task)
                sample.check(longest)
            except HeadreuseError as error:
                self.problems += [f"{run}: {line}" for line in str(error).splitlines()]
                continue
            asked, n_tokens = self.study.measures.n_score_examples, longest.tokens.shape[1]
            self.prompts.append(
                PromptsFacts(run.group.name, str(run.label), task, len(scored), asked, n_tokens, scored.alignment)
            )
            yield task, longest

    def _made_of(self, sample: Sample, task: str) -> tuple[Prompts, Prompts]:
        """A task's longest prompts, and those that heads are scored with."""
        study, group, form = self.study, sample.run.group, self.study.form(task)
        if file := study.prompt_file(task):
            every = sample.encoder.encode_text(file.rows, form)
            up_to = min(entry.max_length for entry in group.tasks)
            chosen = file.chosen(study.score_length(group), up_to, study.measures.n_score_examples)
            return every, sample.encoder.encode_text(chosen, form)

        def drawn(length: int, n: int) -> Prompts:
            generator = Stream.EVALUATION.generator(study.data_seed, length)
            return make_prompts(study.task(task), np.full(n, length), generator, sample.encoder, form)

        return drawn(study.eval_lengths(group, task)[-1], 16), drawn(study.score_length(group), 16)


def check_of(study: Study, out: Path, *, n_workers: int | None, tell: Tell) -> Facts:
    """What can be known of a study whose run folder would be `out`; what is found out is kept nowhere.

    Args:
        study: the study; files of own tasks have been executed.
        out: where the run folder would be, for the room on its disk.
        n_workers: workers that are asked for; None for as many as suit the machine.
        tell: called with a few words on the way.
    """
    study = study.loaded()
    workers, n_threads = side_by_side(n_workers, n_jobs=len(study.groups) * len(study.seeds))
    found = _Gathering(study, n_threads, tell)
    with TemporaryDirectory() as root:
        folder = RunFolder.create(Path(root) / "checked", study, "headreuse check")
        for group in study.groups:
            found.group(group, folder)
    workers = max(1, min(workers, found.n_checkpoints))
    facts = Facts(
        study=study.name,
        problems=(),
        runs=tuple(found.runs),
        prompts=tuple(found.prompts),
        n_to_train=found.n_to_train,
        n_checkpoints=found.n_checkpoints,
        n_measurements=found.n_measurements,
        seconds=_seconds(study, found, workers),
        n_workers=workers,
        memory_needed=workers * worker_bytes(found.runs, study),
        memory_free=memory_free(),
        disk_needed=int(found.disk),
        disk_free=disk_free(out),
    )
    return replace(facts, problems=(*found.problems, *lacking(facts)))


def _seconds(study: Study, found: _Gathering, n_workers: int) -> float:
    """Of all that is done here; the models of one run are fine-tuned one after the other."""
    tuning = found.tuning_seconds / max(1, min(n_workers, found.n_tuned_runs))
    return found.seconds / n_workers + tuning + _seconds_from_scratch(study, found, n_workers)


def _seconds_from_scratch(study: Study, found: _Gathering, n_workers: int) -> float:
    """Of training from scratch and measuring what is trained; not timed where something else would fail."""
    if not trained_here(study) or found.problems:
        return 0.0
    found.tell("timing a few training steps and one checkpoint")
    pace = pace_of(study, n_threads=found.n_threads)
    assert pace is not None
    return seconds_of(study, pace, n_seeds=len(study.seeds), denser=1, n_workers=n_workers)


def lacking(facts: Facts) -> Iterator[str]:
    """Where the machine has too little room."""
    if facts.memory_needed > facts.memory_free:
        fewer = int(facts.n_workers * facts.memory_free / facts.memory_needed)
        right = f"give --workers {fewer}" if fewer else "use a larger machine, or bf16 = true"
        need, free = gb(facts.memory_needed), gb(facts.memory_free)
        yield f"memory: {facts.n_workers} workers need {need} and {free} are free; {right}"
    if facts.disk_needed > facts.disk_free:
        need, free = gb(facts.disk_needed), gb(facts.disk_free)
        yield f"disk: {need} are needed and {free} free; set keep, or give --out elsewhere"


def gb(n_bytes: float) -> str:
    """`1.4 GB`."""
    return f"{n_bytes / 1e9:.1f} GB"
