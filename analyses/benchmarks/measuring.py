"""What does measuring one checkpoint of the demo cost, and how much of that is not the model's arithmetic?

    python analyses/benchmarks/measuring.py [--json FILE] [--checkpoints 5]

A worker on one thread takes all measurements of checkpoints of the demo's main group, one after the other. The first
one, which imports libraries and draws the prompts, is left out. Time outside is all that does not pass in calls of the
model: loading and checking it, drawing prompts, outcomes of logits, tables, files. The weights are not trained, which
changes no amount of work.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

# Read when torch is first imported.
os.environ["OMP_NUM_THREADS"] = "1"

import torch
from transformers import LlamaForCausalLM

from headreuse.models.architectures import build_model
from headreuse.models.checkpoints import note_whole
from headreuse.models.tokenizer import build_tokenizer
from headreuse.prompts import Vocabulary
from headreuse.sources import Run, runs_of
from headreuse.sources.trained import scheduled
from headreuse.store.folder import RunFolder
from headreuse.study import read_study
from headreuse.work.jobs import MeasureJob
from headreuse.work.progress import run_progress

DEMO = Path(__file__).parent.parent / "demo.toml"


class Clock:
    """Seconds that passed in calls of models."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    @contextmanager
    def counting(self, model_class: type[torch.nn.Module]) -> Iterator[None]:
        """Within the block, calls of models of this class count; a call within a call counts once."""
        call: Callable[..., Any] = model_class.__call__

        def timed(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
            self._depth += 1
            start = time.perf_counter()
            try:
                return call(module, *args, **kwargs)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - start

        model_class.__call__ = timed  # type: ignore[method-assign]
        try:
            yield
        finally:
            del model_class.__call__


def untrained_run(root: Path, n_checkpoints: int) -> tuple[RunFolder, Run]:
    """A run of the demo's first group with so many checkpoints, each of other weights."""
    study = read_study(DEMO)
    folder = RunFolder.create(root, study, "benchmark")
    run = runs_of(folder)[0]
    vocabulary = Vocabulary.of([study.task(name) for name in run.group.task_names])
    for step in scheduled(run.group)[:n_checkpoints]:
        path = folder.series_folder(run.group.name, run.label) / f"checkpoint-{step}"
        model = build_model(study.model_of(run.group), vocab_size=len(vocabulary), max_positions=1024, seed=step)
        model.save_pretrained(path)
        build_tokenizer(vocabulary).save_pretrained(path)
        note_whole(path, run.group.name, run.label, step)
    return folder, run


def measured(n_checkpoints: int) -> tuple[list[float], list[float]]:
    """Seconds for each checkpoint, and those of them outside the model."""
    totals, outside = [], []
    clock = Clock()
    with TemporaryDirectory() as root, clock.counting(LlamaForCausalLM):
        folder, run = untrained_run(Path(root), n_checkpoints + 1)
        for at in run_progress(folder, run).checkpoints:
            clock.seconds, start = 0.0, time.perf_counter()
            problems = MeasureJob(folder, run, at.checkpoint, at.missing).run(lambda _fraction, _note: None)
            totals.append(time.perf_counter() - start)
            outside.append(totals[-1] - clock.seconds)
            assert not problems, problems
    return totals[1:], outside[1:]


def main() -> None:
    """Print the numbers; with `--json FILE` write them there too."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write a list of {name, value, unit} to this file")
    parser.add_argument("--checkpoints", type=int, default=5)
    arguments = parser.parse_args()
    totals, outside = measured(arguments.checkpoints)
    shares = [part / whole for part, whole in zip(outside, totals, strict=True)]
    numbers = [
        {"name": "measuring.seconds", "value": median(totals), "unit": "s"},
        {"name": "measuring.outside", "value": median(outside), "unit": "s"},
        {"name": "measuring.overhead_share", "value": median(shares), "unit": "ratio"},
    ]
    for number in numbers:
        print(f"{number['name']:32}{number['value']:>12.3f} {number['unit']}")
    if arguments.json:
        arguments.json.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
