"""How long does it take to compare all tasks at all checkpoints, with noise and chance levels, and in what memory?

python analyses/benchmarks/overlap.py [--json FILE] [--checkpoints N]

100 checkpoints × 10 tasks × 144 heads (12 × 12) × 1,024 examples, every pair of tasks, each with 32 groups of examples
left out in turn, 50 halves, and 1,000 rearrangements of the heads within layers and over all layers: once by the
headline metrics of maps, which a study computes by default, and once by every metric of maps except those of pairs of
heads (Kendall, weighted τ). Scores are drawn one checkpoint at a time, as a study reads them; drawing them is not
counted.
"""

import argparse
import json
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from headreuse.overlap import HEADLINE_METRICS, ComparisonSettings, map_metrics, overlap_table, pairwise
from headreuse.records import HeadScores
from headreuse.study import Group
from headreuse.tasks import TASKS

N_LAYERS, N_HEADS, N_EXAMPLES, N_TASKS = 12, 12, 1024, 10
N_PROCESSES = 2
METRICS = {
    "headline": HEADLINE_METRICS,
    "every": tuple(name for name, one in map_metrics().items() if one.compare.__module__ != pairwise.__name__),
}


def scores_of(checkpoint: int) -> list[HeadScores]:
    """Head scores of ten tasks that share some of their heads."""
    generator = np.random.default_rng(checkpoint)
    shared = generator.gamma(0.3, size=(N_LAYERS, N_HEADS))
    found = []
    for i in range(N_TASKS):
        truth = 0.5 * shared + 0.5 * generator.gamma(0.3, size=shared.shape)
        effects = generator.standard_normal((*truth.shape, N_EXAMPLES), dtype=np.float32)
        effects += truth[..., None].astype(np.float32)
        baseline = {"exact_match": np.ones(N_EXAMPLES, np.float32)}
        found.append(HeadScores(f"task_{i}", 8, "mean_ablation", baseline, {"log_prob": effects}))
    return found


def group() -> Group:
    """A group of ten tasks, which no study file could name."""
    names = [f"task_{i}" for i in range(N_TASKS)]
    for name in names:
        if name not in TASKS:
            TASKS.add(name, TASKS["copy"])
    auxiliary = [{"task": name, "max_length": 16} for name in names[1:]]
    return Group.model_validate({"name": "g", "main": {"task": names[0], "max_length": 16}, "auxiliary": auxiliary})


def compare_all(checkpoints: range, metrics: tuple[str, ...]) -> tuple[float, int, int]:
    """Seconds, rows and peak bytes of this process for comparing some checkpoints."""
    settings = ComparisonSettings(metrics=metrics)
    chosen, seconds, n_rows = group(), 0.0, 0
    for checkpoint in checkpoints:
        scores = scores_of(checkpoint)
        start = time.perf_counter()
        generator = np.random.default_rng(0)
        n_rows += len(overlap_table(scores, [], chosen, settings=settings, generator=generator))
        seconds += time.perf_counter() - start
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return seconds, n_rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobyte


def measured(name: str, n_checkpoints: int) -> list[dict[str, object]]:
    """The results of one choice of metrics, on two processes."""
    shares = [range(first, n_checkpoints, N_PROCESSES) for first in range(N_PROCESSES)]
    with ProcessPoolExecutor(N_PROCESSES) as pool:
        found = list(pool.map(partial(compare_all, metrics=METRICS[name]), shares))
    seconds, n_rows, peaks = zip(*found, strict=True)
    return [
        {"name": f"overlap.{name}.seconds", "value": max(seconds), "unit": "s"},
        {"name": f"overlap.{name}.rows", "value": sum(n_rows), "unit": "rows"},
        {"name": f"overlap.{name}.peak_memory", "value": sum(peaks), "unit": "bytes"},
    ]


def main() -> None:
    """Print the table; with `--json FILE` write the numbers there too."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write a list of {name, value, unit} to this file")
    parser.add_argument("--checkpoints", type=int, default=100)
    arguments = parser.parse_args()
    numbers = [number for name in METRICS for number in measured(name, arguments.checkpoints)]
    for number in numbers:
        print(f"{number['name']:32}{number['value']:>18,.1f} {number['unit']}")
    if arguments.json:
        arguments.json.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
