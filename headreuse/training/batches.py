"""What a model is trained on: batches that depend on the study and the step alone, made while the model is busy."""

import zlib
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from headreuse.models.positions import DRAWN, POSITIONS
from headreuse.prompts import Encoder
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.streams import Stream
from headreuse.study.task_range import TaskRange
from headreuse.study.training_spec import TrainingSpec
from headreuse.tasks import training_examples
from headreuse.training.torchrun import own_rows

TASK = "task"
"""Where a batch of a group with head masks says which of the group's tasks it is of."""
IGNORED = -100
"""Label that the loss leaves out."""
MAX_GENERATORS = 8
"""Most processes that make batches for one training on a GPU."""
AHEAD = 4
"""Batches that each of them keeps ready."""


class Batches(IterableDataset[dict[str, Tensor]]):
    """The batches of a group from step `first` on, wherever training resumes, each in parts of `micro_batch` examples.

    Without `tuning_seed` they are the same for every seed and model, which then differ in their initial weights alone.
    Models that start from one pretrained model differ in their batches alone, which depend on that seed, too. Read by
    several processes of a DataLoader, each makes every n-th part, and they come in their order.
    """

    def __init__(
        self, study: Study, group: Group, encoder: Encoder, first: int, *, tuning_seed: int | None = None
    ) -> None:
        self.group = group
        self.encoder = encoder
        self.first = first
        self.data_seed = study.data_seed
        self.tuning_seed = tuning_seed
        self.tasks_crc = zlib.crc32(_trained_on(group).encode())
        self.tasks = [study.task(name) for name in group.task_names]
        self.draws_starts = tuning_seed is None and POSITIONS[study.model_of(group).position].starts_anywhere

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = get_worker_info()
        index, n_workers = (worker.id, worker.num_workers) if worker else (0, 1)
        rows, n_parts = own_rows(), self.group.training.n_parts
        for at in range(self.first * n_parts + index, self.group.training.steps * n_parts, n_workers):
            yield {name: part[rows] if part.ndim else part for name, part in self.batch(*divmod(at, n_parts)).items()}

    def batch(self, step: int, part: int = 0) -> dict[str, Tensor]:
        """Examples of one task, drawn uniformly, each of a length drawn uniformly from those it is trained on by then.

        Where the batch has several parts, those of one of them.
        """
        generator = self._generator(step)
        chosen = generator.integers(len(self.tasks))
        task, entry, spec = self.tasks[chosen], self.group.tasks[chosen], self.group.training
        examples = training_examples(task, spec.batch_size, longest_at(step, entry, spec), generator)
        # Dealt out, so that no part is empty and every process has its rows of each.
        rows = np.arange(spec.batch_size) % spec.n_parts == part
        prompts = self.encoder.encode(task, examples[rows], np.full(rows.sum(), entry.max_length), entry.form)
        labels = np.where(prompts.scored, prompts.tokens, IGNORED)
        of_task = {TASK: torch.tensor(chosen)} if self.group.heads else {}
        tensors = {"input_ids": torch.from_numpy(prompts.tokens), "labels": torch.from_numpy(labels), **of_task}
        if self.draws_starts:
            tensors[DRAWN] = torch.from_numpy(self._starts(step)[rows])
        return tensors

    def _starts(self, step: int) -> Float[np.ndarray, "example 1"]:
        """From 0 to 1, where in a table of positions each row of a batch starts; other draws are as without it."""
        generator = Stream.STARTS.generator(self.data_seed, self.tasks_crc, step)
        return generator.random((self.group.training.batch_size, 1), dtype=np.float32)

    def _generator(self, step: int) -> np.random.Generator:
        if self.tuning_seed is None:
            return Stream.TRAINING.generator(self.data_seed, self.tasks_crc, step)
        return Stream.TUNING.generator(self.data_seed, self.tuning_seed, self.tasks_crc, step)


def longest_at(step: int, entry: TaskRange, spec: TrainingSpec) -> int:
    """The longest length of a task's examples at a step, which starts from 0: it grows evenly under a curriculum."""
    n_growing = spec.curriculum * spec.steps
    if step >= n_growing or entry.max_length <= entry.min_length:
        return entry.max_length
    return entry.min_length + int((entry.max_length - entry.min_length) * (step / n_growing))


def _trained_on(group: Group) -> str:
    """What a group is trained on; models that differ in nothing else are trained on the same batches."""
    return " ".join(f"{entry.task}:{entry.max_length}" for entry in group.tasks)


def n_generators(device: torch.device) -> int:
    """Processes that make batches during training: several for a GPU, which would wait for them; none on a CPU."""
    return min(MAX_GENERATORS, max(1, torch.get_num_threads() - 1)) if device.type == "cuda" else 0


def loader(batches: Batches, device: torch.device, *, n_workers: int | None = None) -> DataLoader:
    """The batches in the order of their steps, made ahead by `n_workers` processes; None for what suits the device."""
    n_workers = n_generators(device) if n_workers is None else n_workers
    return DataLoader(
        batches,
        batch_size=None,
        num_workers=n_workers,
        prefetch_factor=AHEAD if n_workers else None,
        pin_memory=device.type == "cuda",
    )
