"""How long does a batch of 1,024 examples of length 32 take to draw? Every task, on one core.

python analyses/benchmarks/tasks.py [--json FILE]
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from headreuse.tasks import TASKS, training_examples
from headreuse.tasks.mazes import MazeTask

N_EXAMPLES = 1024
LENGTH = 32
"""In characters, digits, or nodes of a maze."""
REPEATS = 9
LIMIT, LIMIT_OF_MAZES = 20, 1000
"""Milliseconds that `generate` may take."""


def milliseconds(draw: Callable[[np.random.Generator], object]) -> float:
    """Median processor time of a batch, after one to warm up; other programs on the machine hardly change it."""
    times = []
    for seed in range(REPEATS + 1):
        generator = np.random.default_rng(seed)
        start = time.process_time()
        draw(generator)
        times.append(1e3 * (time.process_time() - start))
    return median(times[1:])


def measured(name: str) -> tuple[float, float]:
    """Milliseconds for examples of exactly that length, and for examples of training, up to that length."""
    task = TASKS[name]()
    lengths = np.full(N_EXAMPLES, LENGTH)
    return (
        milliseconds(lambda generator: task.generate(lengths, generator)),
        milliseconds(lambda generator: training_examples(task, N_EXAMPLES, LENGTH, generator)),
    )


def main() -> None:
    """Print the table; with `--json FILE` write the numbers there too."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write a list of {name, value, unit} to this file")
    arguments = parser.parse_args()
    numbers = []
    about = f"batches of {N_EXAMPLES:,}, length {LENGTH}, processor time"
    print(f"{'task':20} {'generate':>12} {'for training':>13}   ({about})")
    for name, cls in TASKS.items():
        alone, training = measured(name)
        limit = LIMIT_OF_MAZES if issubclass(cls, MazeTask) else LIMIT
        print(f"{name:20} {alone:9.1f} ms {training:10.1f} ms   (generate: below {limit:,} ms)", flush=True)
        numbers.append({"name": f"tasks.{name}.milliseconds", "value": alone, "unit": "ms"})
        numbers.append({"name": f"tasks.{name}.training_milliseconds", "value": training, "unit": "ms"})
    if arguments.json:
        arguments.json.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
