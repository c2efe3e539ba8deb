"""Seconds, memory and disk that a study needs, from its size and what a check has timed."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from statistics import mean

from headreuse.measurements.base import MEASUREMENTS
from headreuse.measurements.scored_length import pass_cost
from headreuse.prompts import Encoder
from headreuse.store.units import Unit
from headreuse.study.config import Study
from headreuse.study.costs import n_parameters
from headreuse.study.group import Group
from headreuse.study.model_spec import ModelSpec
from headreuse.work.checking.facts import RunFacts

WORKED_AGAIN = 0.55
"""Of a forward pass, for one ablated head in the mean over layers: what lies before a head is not worked out again."""
COPIES = 2.0
"""Of a model's weights in a worker that scores heads, at most: its own, and what it works with."""
WORKER_BYTES = 1_000_000_000
"""Of a worker without a model: its libraries and the memory that scores may take."""
BYTES_A_WEIGHT = 4
"""In float32, as models are trained and, where nothing else is said, kept."""
TRAINED_BYTES = 16
"""A parameter, while it is trained: weights, gradients, Adam's two moments."""
N_BATCHES = 8
"""From which the tokens of a training are told."""
OUTCOME_BYTES = 16
"""Of one example under one intervention: four outcomes."""


def passes(study: Study, group: Group, unit: Unit, facts: RunFacts) -> float:
    """Forward passes over the prompts of one task that a measurement of a run takes."""
    spec = ModelSpec(n_layers=facts.n_layers, n_heads=facts.n_heads, d_model=2 * facts.n_heads)
    sized = group.model_copy(update={"model": spec})
    cost = MEASUREMENTS[unit.kind].cost(study, sized, unit.settings)
    lengths = unit.settings.get("lengths", [unit.settings.get("length", 0)])
    one = sum(pass_cost(unit.settings["n"], length) for length in lengths) / len(lengths)
    share = WORKED_AGAIN if unit.kind in ("head_scores", "set_ablation") else 1.0
    return share * cost / one


def result_bytes(unit: Unit, facts: RunFacts | None) -> float:
    """Of a measurement's file, about."""
    n = unit.settings.get("n", 0)
    heads = facts.n_layers * facts.n_heads if facts and unit.kind == "head_scores" else 8
    return 20_000 + OUTCOME_BYTES * n * heads


def tokens_trained(study: Study, group: Group, encoder: Encoder) -> float:
    """Tokens through the model in one training of a group, a backward pass counted as two, from its first batches."""
    # Loads torch, which only a check needs.
    from headreuse.training.batches import Batches

    spec, batches = group.training, Batches(study, group, encoder, 0, tuning_seed=0)
    a_step = mean(batches.batch(step)["input_ids"].numel() * spec.n_parts for step in range(N_BATCHES))
    return 3.0 * spec.steps * a_step


def worker_bytes(facts: Iterable[RunFacts], study: Study) -> int:
    """Memory of a worker with the largest of a study's models."""
    given = [_copies(entry, study) * entry.n_bytes for entry in facts]
    trained = [TRAINED_BYTES * n_parameters(study.model_of(group)) for group in study.groups if group.source is None]
    return int(WORKER_BYTES + max([*given, *trained], default=0))


def _copies(facts: RunFacts, study: Study) -> float:
    """How many times the weights of a given model are held, while it is scored or fine-tuned."""
    trains_all = facts.is_start and study.group(facts.group).training.lora is None
    return TRAINED_BYTES / BYTES_A_WEIGHT if trains_all else COPIES


def memory_free() -> int:
    """Bytes that this machine can still give."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def disk_free(path: Path) -> int:
    """Bytes free where a folder lies or will lie."""
    there = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
    return shutil.disk_usage(there).free
