"""A run folder whose models were never trained: random weights, so large that every head matters, measured."""

from pathlib import Path
from typing import Any

import torch

from headreuse.models.architectures import build_model
from headreuse.models.checkpoints import note_whole
from headreuse.models.tokenizer import build_tokenizer
from headreuse.prompts import Vocabulary
from headreuse.store.folder import RunFolder
from headreuse.study import parse_study
from headreuse.work.engines import run_here
from headreuse.work.progress import progress
from headreuse.work.schedule import work
from headreuse.work.shards import Shard


def measured_folder(root: Path, raw: dict[str, Any], *, scale: float = 0.7) -> RunFolder:
    """Models of each group and step from a seed of their own; raises where anything could not be measured."""
    study = parse_study(raw, "random runs")
    folder = RunFolder.create(root, study, "test")
    for place, group in enumerate(study.groups):
        vocabulary = Vocabulary.of([study.task(name) for name in group.task_names])
        for step in group.training.checkpoints.steps(group.training.steps):
            path = folder.series_folder(group.name, 0) / f"checkpoint-{step}"
            model = build_model(study.model, vocab_size=len(vocabulary), max_positions=32, seed=0)
            generator = torch.Generator().manual_seed(1 + place)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
            model.save_pretrained(path)
            build_tokenizer(vocabulary).save_pretrained(path)
            note_whole(path, group.name, 0, step)
    problems = work(folder, progress(folder), run_here, shard=Shard(1, 1), train=False, measure=True)
    assert problems == []
    return folder
