"""Overlap by chance and over prompts: do p and intervals of the overlap tables hold for maps of all kinds?

Maps of two tasks with a part in common, of 4 to 144 heads and 64 or 256 prompts:

- weak, clear, strong: effects of a continuous outcome against noise of the prompts (a gamma map times 0.1, 0.5, 2);
- hard: noise that all heads of a prompt share; paired: noise that both tasks share, as where they have the same inputs;
- scaled: noise in proportion to a head's effect, with a heavy tail;
- binary: an answer is right or wrong, and a head breaks 10 % or 50 % of the answers at most;
- ceiling: the same where 95 % or all of the answers are right and a head breaks 2 % at most: mostly ties.

`.coverage` is how often an interval, where the package prints one, holds what the metric is on average with as many
prompts. A setting in which fewer than a fifth of the maps have an interval is left out: those are the maps that look
clearer than they are, by chance. `.printed` is the share of maps that have one. `naive.bootstrap` is the interval of
the value ± 1.96 bootstrap standard errors, everywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from calibrating import losses
from calibrating.number import Job, Number
from headreuse.overlap import map_metrics
from headreuse.overlap.compare import ComparisonSettings, draw, overlap, prepare
from headreuse.overlap.registry import MapMetric
from headreuse.overlap.resampling import resample
from headreuse.records import HeadScores

LAYOUTS = ((2, 2), (2, 4), (3, 6), (12, 12))
N_PROMPTS = (64, 256)
WITH_INTERVAL = tuple(name for name, metric in map_metrics().items() if metric.interval_holds)
NAIVE = ("cosine", "spearman", "top_k_jaccard", "ablation_map_difference")
PRINTED_AT_LEAST = 0.2
N_PERMUTATIONS = 199
ROUNDING = 1e-9


@dataclass(frozen=True)
class Kind:
    """How the effects of single prompts come about."""

    name: str
    scale: float
    """Of the mean effects; of a binary outcome, the share of answers that the heads that matter break."""
    noise: str = "normal"
    accuracy: float = 1.0

    def draw(self, truth: np.ndarray, n_prompts: int, generator: np.random.Generator) -> np.ndarray:
        """Effects (`task layer head prompt`) of maps whose mean effects are in proportion to `truth`."""
        shape = (*truth.shape, n_prompts)
        mean = self.scale * truth[..., None]
        if self.noise == "binary":
            return self._broken(mean, shape, generator)
        if self.noise == "scaled":
            return mean * 2 * generator.gamma(0.5, size=shape) + 0.02 * self.scale * generator.standard_normal(shape)
        noise = generator.standard_normal(shape)
        if self.noise in ("hard", "paired"):
            n_separate = len(truth) if self.noise == "hard" else 1
            of_prompt = generator.standard_normal((n_separate, 1, 1, n_prompts))
            noise = (noise + of_prompt) / np.sqrt(2)
        return mean + noise

    def _broken(self, mean: np.ndarray, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        """1 where an ablation breaks a right answer, −1 where it mends a wrong one; some prompts break more easily."""
        of_prompt = (len(mean), 1, 1, shape[-1])
        right = generator.random(of_prompt) < self.accuracy
        matters = np.where(mean > 0.15 * self.scale, mean, 0)
        broken = generator.random(shape) < matters * generator.gamma(1.0, size=of_prompt)
        mended = generator.random(shape) < 0.1 * np.sqrt(matters)
        return np.where(right, broken * 1.0, -1.0 * mended)


KINDS = (
    Kind("weak", 0.1),
    Kind("clear", 0.5),
    Kind("strong", 2.0),
    Kind("hard", 2.0, "hard"),
    Kind("paired", 2.0, "paired"),
    Kind("scaled", 1.0, "scaled"),
    Kind("binary10", 0.1, "binary", 0.97),
    Kind("binary50", 0.5, "binary", 0.97),
    Kind("ceiling95", 0.02, "binary", 0.95),
    Kind("ceiling100", 0.02, "binary", 1.0),
)

OF_CHANCE = tuple(kind for kind in KINDS if kind.name in ("clear", "binary10", "ceiling95"))


def over_prompts(
    kind: Kind, layout: tuple[int, int], n_prompts: int, n: int, generator: np.random.Generator
) -> Iterator[Number]:
    """Intervals over prompts of every metric that has one, for one kind of maps."""
    shared, *own = generator.gamma(0.5, size=(3, *layout))
    truth = (shared + np.array(own)) / 2
    settings = ComparisonSettings(n_permutations=1, n_splits=20)
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in WITH_INTERVAL}
    naive: dict[str, list[tuple[float, float, float]]] = {name: [] for name in NAIVE}
    for _ in range(n):
        effects = kind.draw(truth, n_prompts, generator)
        scores = [HeadScores(task, 8, "m", {}, {"o": one}) for task, one in zip("ab", effects, strict=True)]
        draws = draw(scores, settings, generator)
        maps = [resample(one, draws.weights[n_prompts]) for one in effects]
        for name, rows in found.items():
            metric = map_metrics()[name]
            row = overlap(metric, *(prepare(metric, one, draws, k=3) for one in maps), draws)
            rows.append((row.value, row.ci_low, row.ci_high))
        weights = generator.multinomial(n_prompts, np.full(n_prompts, 1 / n_prompts), size=100) / n_prompts
        for name, rows in naive.items():
            rows.append(_bootstrapped(map_metrics()[name], effects, weights))
    place = f"maps.{kind.name}.heads{layout[0] * layout[1]}.prompts{n_prompts}"
    for name, rows in found.items():
        printed, coverage = _coverage(rows)
        yield Number(f"{place}.{name}.printed", printed)
        if printed >= PRINTED_AT_LEAST:
            yield Number(f"{place}.{name}.coverage", coverage)
    for name, rows in naive.items():
        yield Number(f"naive.bootstrap.{place}.{name}.coverage", _coverage(rows)[1])


def _coverage(rows: list[tuple[float, float, float]]) -> tuple[float, float]:
    """Share of rows with an interval, and how often it holds the mean value of all."""
    value, low, high = np.array(rows).T
    has = np.isfinite(low)
    truth = np.nanmean(value) if np.isfinite(value).any() else np.nan
    holds = (low <= truth + ROUNDING) & (truth <= high + ROUNDING)
    return float(has.mean()), float(holds[has].mean()) if has.any() else np.nan


def _bootstrapped(metric: MapMetric, effects: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    maps = [one.reshape(-1, one.shape[-1]) for one in effects]
    value = float(metric.compare(*(metric.prepare(one.mean(axis=-1), 3) for one in maps)))
    resampled = metric.compare(*(metric.prepare(weights @ one.T, 3) for one in maps))
    half = 1.96 * float(np.nanstd(resampled)) if np.isfinite(resampled).any() else np.nan
    return value, value - half, value + half


def chance_levels(kind: Kind, layout: tuple[int, int], n: int, generator: np.random.Generator) -> Iterator[Number]:
    """p of unrelated maps whose late layers matter more: heads permuted within layers, and over all layers."""
    n_layers, n_heads = layout
    weight = np.linspace(0.2, 1.5, n_layers)[:, None]
    metrics = [map_metrics()[name] for name in ("ablation_map_difference", "cosine", "spearman")]
    metrics += [map_metrics()[name] for name in ("top_k_jaccard", "threshold_jaccard", "threshold_overlap_coefficient")]
    settings = ComparisonSettings(n_permutations=N_PERMUTATIONS, n_splits=1)
    p: dict[str, list[float]] = {metric.name: [] for metric in metrics}
    for _ in range(n):
        effects = kind.draw(weight * generator.gamma(1.0, size=(2, *layout)), 64, generator)
        scores = [HeadScores(task, 8, "m", {}, {"o": one}) for task, one in zip("ab", effects, strict=True)]
        draws = draw(scores, settings, generator)
        maps = [resample(one, draws.weights[64]) for one in effects]
        for metric in metrics:
            row = overlap(metric, *(prepare(metric, one, draws, k=3) for one in maps), draws)
            p[metric.name].append(row.p_chance)
    place = f"maps.{kind.name}.heads{n_layers * n_heads}"
    for name, found in p.items():
        yield Number(f"{place}.p_chance.{name}.rejection", float((np.array(found) <= 0.05).mean()))
        yield Number(f"{place}.p_chance.{name}.printed", float(np.isfinite(found).mean()))


def naive_chance(n: int, generator: np.random.Generator) -> Iterator[Number]:
    """p of such maps where heads are permuted over all layers, as if layers were alike; of the top-3 sets."""
    weight = np.linspace(0.2, 1.5, 4)[:, None]
    metric = map_metrics()["top_k_jaccard"]
    assert metric.exact_chance is not None
    p = []
    for _ in range(n):
        a, b = (metric.prepare((weight * one).ravel(), 3)[None] for one in generator.gamma(1.0, size=(2, 4, 6)))
        p.append(metric.exact_chance(a, b).p)
    yield Number("naive.all_layers.top_k_jaccard.rejection", float((np.array(p) <= 0.05).mean()))


def jobs(n: int) -> list[Job]:
    """Everything that is simulated."""
    found: list[Job] = [
        partial(over_prompts, kind, layout, n_prompts, n)
        for kind, layout, n_prompts in product(KINDS, LAYOUTS, N_PROMPTS)
    ]
    found += [partial(chance_levels, kind, layout, n) for kind, layout in product(OF_CHANCE, LAYOUTS)]
    return [*found, partial(naive_chance, n), *losses.jobs(n)]
