"""How accurate is the model just now? A quick look while it trains, that leaves weights and random streams alone."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from headreuse.evaluation import evaluate
from headreuse.prompts import Encoder, make_prompts
from headreuse.records import Prompts
from headreuse.store.training_log import Logbook, LogLine, regime_of
from headreuse.study.config import Group, Study
from headreuse.study.specs import TaskRange
from headreuse.study.streams import Stream

N_EXAMPLES = 64
"""Per task and length: enough to see a jump, and cheap."""


@dataclass(frozen=True)
class Watched:
    """The fixed prompts of one task at one length."""

    prompts: Prompts
    role: str
    regime: str


def watched_prompts(study: Study, group: Group, encoder: Encoder) -> tuple[Watched, ...]:
    """For each task of a group prompts at a length of each regime, drawn from the study's data seed and the length."""
    found = []
    for entry in group.tasks:
        task = study.task(entry.task)
        for length in watched_lengths(group, entry, limit=task.max_length):
            generator = Stream.WATCHING.generator(study.data_seed, length)
            prompts = make_prompts(task, np.full(N_EXAMPLES, length), generator, encoder)
            found.append(Watched(prompts, group.role(entry.task), regime_of(group, entry.task, length)))
    return tuple(found)


def watched_lengths(group: Group, entry: TaskRange, *, limit: int | None) -> tuple[int, ...]:
    """The longest that the task is trained on, the middle of what lies between it and the group's, and just beyond.

    Those that exist: none is longer than `limit`.
    """
    middle = (entry.max_length + group.transfer_to + 1) // 2
    beyond = group.transfer_to + max(1, group.transfer_to // 8)
    lengths = sorted({entry.max_length, middle, beyond})
    return tuple(length for length in lengths if limit is None or length <= limit)


def look(model: Any, watched: tuple[Watched, ...], step: int) -> Iterator[LogLine]:
    """A line for each task and length; the model goes on in the mode it was in."""
    was_training = model.training
    model.eval()
    try:
        with _uncompiled(model):
            for one in watched:
                evaluation = evaluate(model, one.prompts, micro_batch=N_EXAMPLES)
                log_prob, exact = evaluation.outcomes["log_prob"], evaluation.outcomes["exact_match"]
                yield LogLine(
                    step=step,
                    task=evaluation.task,
                    role=one.role,
                    length=evaluation.length,
                    regime=one.regime,
                    n=len(exact),
                    accuracy=float(exact.mean()),
                    loss=float(-log_prob.sum() / one.prompts.scored.sum()),
                )
    finally:
        model.train(was_training)


def _uncompiled(model: Any) -> AbstractContextManager[object]:
    """Within the block nothing is compiled: for other shapes, without gradients, that costs more than it saves."""
    # Asked only where it is needed, since it loads the compiler.
    return torch.compiler.set_stance("force_eager") if model._compiled_call_impl else nullcontext()


class Watcher(TrainerCallback):
    """Looks at a model every so many steps and after the last, and writes down what it sees."""

    def __init__(self, model: Any, watched: tuple[Watched, ...], logbook: Logbook, *, every: int) -> None:
        self.model = model
        self.watched = watched
        self.logbook = logbook
        self.every = every

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Before a checkpoint of this step is saved, so that no step that is gone on from lacks its lines."""
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            self.logbook.add(look(self.model, self.watched, state.global_step))
