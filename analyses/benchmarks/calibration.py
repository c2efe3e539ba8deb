"""Are the p-values and intervals of the correlation, overlap and seeds tables calibrated? By simulation.

python analyses/benchmarks/calibration.py [--json FILE] [--simulations N] [--processes N] [--only TEXT]

Each file of `calibrating/` simulates one subject and says what. Names in the JSON end in `.rejection` (share of p ≤ 5 %
where there is no direct relation), `.coverage` (share of intervals that hold the truth), `.power` (share of p ≤ 5 %
under a real relation) or `.printed` (share of cases in which the package prints anything). What begins with `naive` is
shown for comparison alone: the package does not offer it, or not as evidence. Bounds: rejection at most 7 %, coverage
92 to 99 %.
"""

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from calibrating import maps, runs, seeds
from calibrating.number import Job, Number

BOUNDS = {"rejection": (0.0, 0.07), "coverage": (0.92, 0.99)}


def jobs(n: int) -> list[Job]:
    """Everything that is simulated."""
    return [*runs.jobs(n), *seeds.jobs(n), *maps.jobs(min(n, 1000))]


def subject(job: Job) -> str:
    """File and function of a job."""
    function = job.func if isinstance(job, partial) else job
    return f"{function.__module__}.{function.__name__}"


def run(job: tuple[int, Job]) -> list[Number]:
    """The results of one job, which has a separate generator."""
    index, work = job
    return list(work(np.random.default_rng([2026, index])))


def outside(number: Number) -> bool:
    """Whether a number of what the package offers is outside its bounds."""
    low, high = BOUNDS.get(number.name.rpartition(".")[2], (-np.inf, np.inf))
    return not number.name.startswith("naive") and not low <= number.value <= high


def show(numbers: list[Number]) -> None:
    """The table: each method's worst and best setting; then whatever is outside its bounds."""
    methods: dict[tuple[bool, str, str], list[float]] = {}
    for number in numbers:
        name, _, kind = number.name.rpartition(".")
        methods.setdefault((number.name.startswith("naive"), kind, name.split(".")[0]), []).append(number.value)
    print(f"{'method':44}{'what':>13}{'least':>9}{'most':>9}{'settings':>10}")
    for (_, kind, method), values in sorted(methods.items()):
        print(f"{method:44}{kind:>13}{min(values):9.1%}{max(values):9.1%}{len(values):10}")
    for number in filter(outside, numbers):
        print(f"outside its bounds: {number.name} {number.value:.1%}")


def main() -> None:
    """Print the table; with `--json FILE` write every number there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write a list of {name, value, unit} to this file")
    parser.add_argument("--simulations", type=int, default=2000, help="per setting")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="jobs with this in their name, such as runs, seeds.by_seed, maps")
    arguments = parser.parse_args()
    work = [entry for entry in enumerate(jobs(arguments.simulations)) if arguments.only in subject(entry[1])]
    with ProcessPoolExecutor(arguments.processes) as pool:
        numbers = [number for found in pool.map(run, work) for number in found]
    show(numbers)
    if arguments.json:
        entries = [{"name": number.name, "value": number.value, "unit": number.unit} for number in numbers]
        arguments.json.write_text(json.dumps(entries, indent=1))


if __name__ == "__main__":
    main()
