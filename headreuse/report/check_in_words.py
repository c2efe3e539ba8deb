"""A check of a study as lines to read, and as JSON."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from headreuse.correlation.wording import counted
from headreuse.work.checking import Facts, PromptsFacts, RunFacts
from headreuse.work.ticker import duration

MOST_LEFT_OUT = 5
"""Of one run, before the rest is only counted."""


def as_json(facts: Facts) -> str:
    """All that was found."""
    return json.dumps(asdict(facts), indent=1)


def lines(facts: Facts) -> Iterator[str]:
    """What was found, the problems last, where they are seen."""
    for run in facts.runs:
        yield from _run(run)
        of_run = [entry for entry in facts.prompts if (entry.group, entry.run) == (run.group, run.run)]
        yield from map(_prompts, of_run)
    if facts.n_to_train:
        yield f"{counted(facts.n_to_train, 'model')} to train here"
    if facts.n_checkpoints:
        yield from _needs(facts)
    for problem in facts.problems:
        yield f"problem: {problem}"
    if not facts.problems:
        yield f"{facts.study}: nothing stands in its way"


def _needs(facts: Facts) -> Iterator[str]:
    at, time = counted(facts.n_checkpoints, "checkpoint"), f"about {duration(facts.seconds)} on this machine"
    yield f"{counted(facts.n_measurements, 'measurement')} at {at}: {time}"
    yield f"memory: {_gb(facts.memory_needed)} for {counted(facts.n_workers, 'worker')}, {_gb(facts.memory_free)} free"
    yield f"disk: {_gb(facts.disk_needed)} for checkpoints, downloads and results, {_gb(facts.disk_free)} free"


def _run(run: RunFacts) -> Iterator[str]:
    n, steps = counted(len(run.steps), "checkpoint"), f"step {run.steps[0]:,}"
    if len(run.steps) > 1:
        steps = f"steps {run.steps[0]:,} to {run.steps[-1]:,}"
    reads = "" if run.n_positions is None else f", reads {run.n_positions:,} tokens"
    heads = f"{counted(run.n_layers, 'layer')} × {counted(run.n_heads, 'head')}"
    size = f"{heads}{reads}, {_gb(run.n_bytes)}"
    role = "fine-tuned from" if run.is_start else "run"
    yield f"{run.group}, {role} {run.run}: {n}, {steps}; {size}{'' if run.is_here else ', to be downloaded'}"
    for line in run.left_out[:MOST_LEFT_OUT]:
        yield f"  left out: {line}"
    if len(run.left_out) > MOST_LEFT_OUT:
        yield f"  … and {len(run.left_out) - MOST_LEFT_OUT} more left out"


def _prompts(entry: PromptsFacts) -> str:
    fewer = f" (of {entry.n_asked} asked for)" if entry.n < entry.n_asked else ""
    return f"  {entry.task}: {counted(entry.n, 'prompt')}{fewer}, up to {entry.n_tokens:,} tokens, {entry.alignment}"


def _gb(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 5e7 else f"{n_bytes / 1e6:.1f} MB"
