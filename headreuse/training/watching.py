"""How accurate is the model during training? A quick look that changes neither weights nor random numbers."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from headreuse.evaluation import evaluate
from headreuse.models.masks import TrainingMask
from headreuse.prompts import Encoder, make_prompts
from headreuse.records import Evaluation, Prompts
from headreuse.store.training_log import Logbook, LogLine, regime_of
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.streams import Stream
from headreuse.study.task_range import TaskRange
from headreuse.tasks import Task
from headreuse.training.reporting import as_logs

N_EXAMPLES = 64
"""For each task and length: cheap, and enough to see a jump."""


@dataclass(frozen=True)
class Watched:
    """The fixed prompts of one task at one length."""

    prompts: Prompts
    role: str
    regime: str
    heads: tuple[int, ...] | None = None
    """The query heads that the task may use; None for all."""


def watched_prompts(study: Study, group: Group, encoder: Encoder) -> tuple[Watched, ...]:
    """For each task of a group, prompts at a length of each regime; they depend on data seed and length alone."""
    found = []
    for entry in group.tasks:
        task = study.task(entry.task)
        for length in watched_lengths(group, entry, limit=_longest(study, group, task)):
            generator = Stream.WATCHING.generator(study.data_seed, length)
            prompts = make_prompts(task, np.full(N_EXAMPLES, length), generator, encoder)
            regime = regime_of(group, entry.task, length)
            found.append(Watched(prompts, group.role(entry.task), regime, group.heads_of(entry.task)))
    return tuple(found)


def _longest(study: Study, group: Group, task: Task) -> int | None:
    """The longest length that the task has and that the model has positions for; None where both have all."""
    learned = study.positions_to(group) if study.model_of(group).has_position_rows else None
    return min((length for length in (task.max_length, learned) if length is not None), default=None)


def watched_lengths(group: Group, entry: TaskRange, *, limit: int | None) -> tuple[int, ...]:
    """The longest length that the task is trained on, the middle of its transfer range, and a length just beyond.

    Lengths above `limit`, the longest that can be asked for, are left out.
    """
    middle = (entry.max_length + group.transfer_to + 1) // 2
    beyond = group.transfer_to + max(1, group.transfer_to // 8)
    lengths = sorted({entry.max_length, middle, beyond})
    return tuple(length for length in lengths if limit is None or length <= limit)


def look(
    model: PreTrainedModel, watched: tuple[Watched, ...], step: int, mask: TrainingMask | None = None
) -> Iterator[LogLine]:
    """A line for each task and length; afterwards the model is in training or evaluation mode, as before."""
    was_training = model.training
    model.eval()
    try:
        with _uncompiled(model):
            for one in watched:
                with mask.only(one.heads) if mask else nullcontext():
                    evaluation = evaluate(model, one.prompts, micro_batch=N_EXAMPLES)
                yield _line(step, one, evaluation)
    finally:
        model.train(was_training)


def _line(step: int, one: Watched, evaluation: Evaluation) -> LogLine:
    log_prob, exact = evaluation.outcomes["log_prob"], evaluation.outcomes["exact_match"]
    return LogLine(
        step=step,
        task=evaluation.task,
        role=one.role,
        length=evaluation.length,
        regime=one.regime,
        n=len(exact),
        accuracy=float(exact.mean()),
        loss=float(-log_prob.sum() / one.prompts.scored.sum()),
    )


def _uncompiled(model: PreTrainedModel) -> AbstractContextManager[object]:
    """Within the block nothing is compiled: compiling again for these few prompts takes longer than it saves."""
    # `set_stance` loads the compiler, so it is called only for a compiled model.
    return torch.compiler.set_stance("force_eager") if model._compiled_call_impl else nullcontext()


class Watcher(TrainerCallback):
    """Looks at a model every `every` steps and after the last step, and writes the lines into a log."""

    def __init__(
        self,
        model: object,
        watched: tuple[Watched, ...],
        logbook: Logbook,
        *,
        every: int,
        mask: TrainingMask | None = None,
    ) -> None:
        assert isinstance(model, PreTrainedModel)
        self.model = model
        self.watched = watched
        self.logbook = logbook
        self.every = every
        self.mask = mask
        self.tell: Callable[[dict[str, float]], None] | None = None
        """Called with the accuracies by name, where they are reported elsewhere too."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Writes the lines before the step's checkpoint is saved, so that no lines are missing if training resumes."""
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            lines = list(look(self.model, self.watched, state.global_step, self.mask))
            self.logbook.add(lines)
            if self.tell is not None:
                # To log anything counts as the log of this step, after which its loss would not be logged.
                is_due = control.should_log
                self.tell(as_logs(lines))
                control.should_log = is_due
