"""What a model is trained on: batches that depend on the study and the step alone, made while the model is busy."""

import zlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from headreuse.prompts import Encoder
from headreuse.study.config import Group, Study
from headreuse.study.streams import Stream
from headreuse.tasks import training_examples
from headreuse.training.torchrun import own_rows

IGNORED = -100
"""Label that the loss leaves out."""
MAX_GENERATORS = 8
"""Most processes that make batches for one training on a GPU."""
AHEAD = 4
"""Batches that each of them keeps ready."""


class Batches(IterableDataset[dict[str, Tensor]]):
    """The batches of a group from step `first` on: the same for every seed and model, wherever training resumes.

    Read by several processes of a DataLoader, each makes every n-th batch, and they come in the order of the steps.
    """

    def __init__(self, study: Study, group: Group, encoder: Encoder, first: int) -> None:
        self.group = group
        self.encoder = encoder
        self.first = first
        self.data_seed = study.data_seed
        self.tasks_crc = zlib.crc32(_trained_on(group).encode())
        self.tasks = [study.task(name) for name in group.task_names]

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = get_worker_info()
        index, n_workers = (worker.id, worker.num_workers) if worker else (0, 1)
        rows = own_rows()
        for step in range(self.first + index, self.group.training.steps, n_workers):
            yield {name: part[rows] for name, part in self.batch(step).items()}

    def batch(self, step: int) -> dict[str, Tensor]:
        """Examples of one task, drawn uniformly, each of a length drawn uniformly from those it is trained on."""
        generator = Stream.TRAINING.generator(self.data_seed, self.tasks_crc, step)
        chosen = generator.integers(len(self.tasks))
        task, entry = self.tasks[chosen], self.group.tasks[chosen]
        size = self.group.training.batch_size
        examples = training_examples(task, size, entry.max_length, generator)
        prompts = self.encoder.encode(task, examples, np.full(size, entry.max_length))
        labels = np.where(prompts.scored, prompts.tokens, IGNORED)
        return {"input_ids": torch.from_numpy(prompts.tokens), "labels": torch.from_numpy(labels)}


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
