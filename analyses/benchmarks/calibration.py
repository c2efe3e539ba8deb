"""Are the p-values and intervals of the correlation and overlap tables calibrated? By simulation of runs and maps.

python analyses/benchmarks/calibration.py [--json FILE] [--simulations N] [--processes N]

Runs: a trend that all runs share, a level for each run, and AR(1) noise; 1 to 8 runs of 10 to 40 checkpoints. Names in
the JSON end in `.rejection` (share of p ≤ 5 % without any relation), `.coverage` (share of 95 % intervals that hold the
truth under a planted within-run relation), `.power` (share of p ≤ 5 % under that relation), or `.not_offered` (the same
for methods that the package does not offer because of it). `naive_pearson` is the usual test: Pearson's p over all
checkpoints. Maps: see `calibrating/maps.py`; `.printed` is the share of them for which the package prints anything.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from calibrating import maps, seeds
from calibrating.number import Number
from scipy import stats

from headreuse.correlation.across import Combined, combine, contrast, together
from headreuse.correlation.estimate import Estimate, why_no_interval, why_no_p
from headreuse.correlation.further import MIXED_FROM, given_covariates, mixed_slopes, shifted
from headreuse.correlation.further import partial as partial_correlation
from headreuse.correlation.intervals import Interval, between_runs, cluster_bootstrap, over_runs
from headreuse.correlation.mixed import fit_mixed
from headreuse.correlation.panels import Panel
from headreuse.correlation.permutation import seed_permutation, slope_interval
from headreuse.correlation.power import autoregressive
from headreuse.correlation.statistics import STATISTICS

N_RUNS = (1, 2, 3, 4, 5, 6, 8)
N_STEPS = (10, 20, 40)
AUTOCORRELATION = (0.5, 0.8)
RELATION = 0.5
TREND = 2.0
"""Half the height of the common trend, in standard deviations of the noise."""
LEVEL = 0.5
"""Standard deviation of runs' levels."""
N_TRUTH = 20_000
"""The truth of an estimate is its value over this many runs of the same checkpoints."""
CHUNK = 250


@dataclass(frozen=True)
class Setting:
    """A design to simulate."""

    n_runs: int
    n_steps: int
    autocorrelation: float

    def __str__(self) -> str:
        return f"runs{self.n_runs}.steps{self.n_steps}.ar{self.autocorrelation:g}"

    def draw(self, n: int, relation: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Overlap and transfer of `n` studies (`study run step`)."""
        shape = (n, self.n_runs, self.n_steps)
        noise, other = (autoregressive(shape, self.autocorrelation, generator) for _ in range(2))
        levels = LEVEL * generator.standard_normal((2, n, self.n_runs, 1))
        trend = TREND * np.tanh(np.linspace(-2, 2, self.n_steps))
        return trend + noise + levels[0], trend + relation * noise + np.sqrt(1 - relation**2) * other + levels[1]


def correlations(setting: Setting, n: int, generator: np.random.Generator) -> Iterator[Number]:
    """p and intervals of every correlation of the table, in one design."""
    for chunk_relation, kind in ((0.0, "rejection"), (RELATION, "power")):
        series = [setting.draw(min(CHUNK, n), chunk_relation, generator) for _ in range(max(1, n // CHUNK))]
        for name, statistic in STATISTICS.items():
            if not why_no_p(statistic, setting.n_runs):
                p = np.concatenate([seed_permutation(x, y, statistic) for x, y in series])
                yield Number(f"seed_permutation.{name}.{setting}.{kind}", float((p <= 0.05).mean()))
        p = np.concatenate([naive_p(x, y) for x, y in series])
        if kind == "rejection":
            yield Number(f"naive_pearson.{setting}.{kind}", float((p <= 0.05).mean()))
    x, y = (np.concatenate(parts) for parts in zip(*series, strict=True))
    yield from _coverages(setting, x, y, generator)


def _coverages(setting: Setting, x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> Iterator[Number]:
    many = Setting(N_TRUTH, setting.n_steps, setting.autocorrelation)
    truth_x, truth_y = many.draw(1, RELATION, generator)
    for name, statistic in STATISTICS.items():
        if why_no_interval(statistic, setting.n_runs):
            continue
        interval = over_runs(x, y, statistic)
        if name == "between_run":
            interval = between_runs(statistic(x, y), setting.n_runs)
        yield Number(f"{name}.{setting}.coverage", covered(interval, float(statistic(truth_x, truth_y)[0])))
    within = STATISTICS["within_run"]
    if setting.n_runs > 1:
        truth = float(within(*shifted(truth_x, truth_y, 1))[0])
        yield Number(f"lag+1.{setting}.coverage", covered(over_runs(*shifted(x, y, 1), within), truth))
        interval = cluster_bootstrap(x, y, generator, n_resamples=1000)
        bootstrapped = covered(interval, float(within(truth_x, truth_y)[0]))
        yield Number(f"cluster_bootstrap.{setting}.not_offered", bootstrapped)
    if not why_no_p(STATISTICS["step_adjusted"], setting.n_runs):
        intervals = [slope_interval(x[i : i + CHUNK], y[i : i + CHUNK])[1] for i in range(0, len(x), CHUNK)]
        ends = (np.concatenate([getattr(part, end) for part in intervals]) for end in ("low", "high"))
        yield Number(f"step_adjusted_slope.{setting}.coverage", covered(Interval(*ends), RELATION))


def naive_p(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's p over all checkpoints of all runs, as if they were independent."""
    n = x.shape[-1] * x.shape[-2]
    return stats.pearsonr(x.reshape(-1, n), y.reshape(-1, n), axis=-1).pvalue


def covered(interval: Interval, truth: float) -> float:
    """How often an interval holds the truth."""
    return float(((interval.low <= truth) & (truth <= interval.high)).mean())


def panel(x: np.ndarray, y: np.ndarray, group: str = "g") -> Panel:
    """Series of one study as the panel of the tables, with learning curves as baselines."""
    n_runs, n_steps = x.shape
    steps = np.arange(1, n_steps + 1)
    curve = 1 / (1 + np.exp(-(steps - n_steps / 2)[None, :, None] / np.array([2.0, 3.0])))
    baselines = np.broadcast_to(curve, (n_runs, n_steps, 2))
    return Panel(group, "cosine", "m", "o", "gap", np.arange(n_runs), 100 * steps, x, y, baselines)


def further(setting: Setting, n: int, generator: np.random.Generator) -> Iterator[Number]:
    """Intervals that are made study by study: partial correlation and mixed models."""
    many = Setting(400, setting.n_steps, setting.autocorrelation)
    limit = panel(*(series[0] for series in many.draw(1, RELATION, generator)))
    truths = {"partial": float(STATISTICS["within_run"](*given_covariates(limit)))}
    for name in MIXED_FROM:
        fitted = fit_mixed(limit.overlap, limit.transfer, random_slope=name == "mixed_slope")
        assert fitted is not None
        truths[name] = fitted.slope
    studies = zip(*setting.draw(n, RELATION, generator), strict=True)
    rows = [[partial_correlation(one), *mixed_slopes(one)] for one in (panel(x, y) for x, y in studies)]
    for i, name in enumerate(truths):
        yield from _of_rows(f"{name}.{setting}", [row[i] for row in rows], truths[name])


def _of_rows(name: str, rows: list[Estimate], truth: float) -> Iterator[Number]:
    """Coverage of rows of the table, where they have an interval."""
    found = [row.ci_low <= truth <= row.ci_high for row in rows if np.isfinite(row.ci_low)]
    if found:
        yield Number(f"{name}.coverage", float(np.mean(found)))


def groups(setting: Setting, n: int, generator: np.random.Generator) -> Iterator[Number]:
    """Two related groups against two controls: p of either, the intervals of their mean and of the contrast."""
    within = STATISTICS["within_run"]
    many = Setting(N_TRUTH, setting.n_steps, setting.autocorrelation)
    related_truth, control_truth = (float(within(*many.draw(1, r, generator))[0]) for r in (RELATION, 0.0))

    def studies(relation: float) -> list[Combined]:
        drawn = [setting.draw(n, relation, generator) for _ in range(2)]
        pairs = zip(*(zip(*one, strict=True) for one in drawn), strict=True)
        found = [combine([panel(x, y, f"g{i}") for i, (x, y) in enumerate(pair)]) for pair in pairs]
        return [entry for entry in found if entry is not None]

    related, control = studies(RELATION), studies(0.0)
    for found, kind in ((related, "power"), (control, "rejection")):
        p = np.array([together("related groups", entry).p for entry in found])
        if np.isfinite(p).all():
            yield Number(f"seed_permutation_two_groups.{setting}.{kind}", float((p <= 0.05).mean()))
    rows = [together("related groups", entry) for entry in related]
    yield from _of_rows(f"mean_of_two_groups.{setting}", rows, related_truth)
    differences = [contrast(a, b) for a, b in zip(related, control, strict=True)]
    yield from _of_rows(f"related_minus_control.{setting}", differences, related_truth - control_truth)


def jobs(n: int) -> list[Callable[[np.random.Generator], Iterator[Number]]]:
    """Everything that is simulated."""
    every = [Setting(*chosen) for chosen in product(N_RUNS, N_STEPS, AUTOCORRELATION)]
    found: list[Callable[[np.random.Generator], Iterator[Number]]] = [
        partial(_with_generator, correlations, setting, n) for setting in every
    ]
    chosen = [Setting(n_runs, 20, 0.8) for n_runs in (2, 3, 5)]
    found += [partial(_with_generator, further, setting, min(n, 1000)) for setting in chosen]
    found += [partial(_with_generator, groups, setting, min(n, 1000)) for setting in chosen]
    return [*found, *maps.jobs(min(n, 1000)), *seeds.jobs(min(n, 1000))]


def _with_generator(work, setting: Setting, n: int, generator: np.random.Generator) -> Iterator[Number]:
    return work(setting, n, generator)


def run(job: tuple[int, Callable[[np.random.Generator], Iterator[Number]]]) -> list[Number]:
    """The results of one job, which has a separate generator."""
    index, work = job
    return list(work(np.random.default_rng([2024, index])))


def show(numbers: list[Number]) -> None:
    """The table: each method's worst and best setting, and the bound that it must hold."""
    bounds = {"rejection": "≤ 7 %", "coverage": "92–99 %", "power": "", "not_offered": "not offered", "printed": ""}
    methods: dict[tuple[str, str], list[float]] = {}
    for number in numbers:
        kind = number.name.rpartition(".")[2]
        methods.setdefault((number.name.split(".runs")[0].removesuffix(f".{kind}"), kind), []).append(number.value)
    print(f"{'method':44}{'what':>13}{'least':>9}{'most':>9}{'settings':>10}   bound")
    for (method, kind), values in sorted(
        methods.items(), key=lambda entry: (list(bounds).index(entry[0][1]), entry[0])
    ):
        bound = "for comparison" if method.startswith("naive") else bounds[kind]
        print(f"{method:44}{kind:>13}{min(values):9.1%}{max(values):9.1%}{len(values):10}   {bound}")


def main() -> None:
    """Print the table; with `--json FILE` write every number there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write a list of {name, value, unit} to this file")
    parser.add_argument("--simulations", type=int, default=2000, help="per setting")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    work = list(enumerate(jobs(arguments.simulations)))
    with ProcessPoolExecutor(arguments.processes) as pool:
        numbers = [number for found in pool.map(run, reversed(work)) for number in found]
    show(numbers)
    if arguments.json:
        entries = [{"name": number.name, "value": number.value, "unit": number.unit} for number in numbers]
        arguments.json.write_text(json.dumps(entries, indent=1))


if __name__ == "__main__":
    main()
