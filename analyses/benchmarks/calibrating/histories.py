"""Simulated studies: how overlap, transfer and accuracy of a group's runs can come about, with or without a relation.

`relation` is the correlation of what overlap and transfer have beyond trend, clock and events; at 0 no setting has a
direct relation, whatever else moves both.

- plain: a trend that all runs share, a level for each run, AR(1) noise;
- clock: each run has everything earlier or later by a factor; monotone, hump-shaped, or from an onset on; `auxiliary`
  has overlap and transfer go with the clock of the auxiliaries instead of main's;
- mechanical: heads fixed and unrelated, D_abl (or the cosine) and the gap from the same noisy accuracies;
- scale: the noise of a run is larger or smaller in both;
- slopes: those of transfer on overlap, of mean 0, differ between runs;
- collapse: some runs lose something for good, each measure by itself, or both with the accuracy (`shared`);
- tails: noise with two degrees of freedom; ties: both measures in five steps between bounds; missing: points lacking;
- collider: a checkpoint counts where overlap and transfer differ little;
- floor: a checkpoint counts only where both accuracies are at least a half.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from headreuse.correlation.simulated import autoregressive

N_STEPS = 10
LAST = 10.0
"""Of the time axis; main learns at about 4."""
MIDDLE = np.log(4.0)
N_HEADS = 8
N_SCORED, N_EVALUATED = 256, 128
"""Prompts behind an accuracy at one length: of the head scores, and of the curves."""


@dataclass(frozen=True)
class Histories:
    """Many studies of one group (`study run step`), NaN where a checkpoint does not count."""

    log_steps: np.ndarray
    overlap: np.ndarray
    transfer: np.ndarray
    main: np.ndarray
    """Accuracy at the length of the head scores, at every step."""
    auxiliary: np.ndarray


@dataclass(frozen=True)
class Latent:
    """What a setting starts from."""

    generator: np.random.Generator
    shape: tuple[int, int, int]
    log_steps: np.ndarray
    own: np.ndarray
    """Log step by main's clock of each run."""
    auxiliary: np.ndarray
    """By the auxiliaries' clock, which goes with main's (correlation 0.7)."""
    noise: np.ndarray
    """Of overlap, unit variance."""
    related: np.ndarray
    """Of transfer."""

    def events(self, share: float) -> np.ndarray:
        """1 from a random step on, in a share of the runs."""
        runs = (*self.shape[:2], 1)
        begins = self.generator.integers(2, self.shape[2] - 1, runs)
        return (self.generator.random(runs) < share) * (np.arange(self.shape[2]) >= begins)

    def of_runs(self) -> np.ndarray:
        """A normal number for each run."""
        return self.generator.standard_normal((*self.shape[:2], 1))


Measures = tuple[np.ndarray, np.ndarray]
Shape = Callable[[Latent, float], Measures]


def logistic(value: np.ndarray) -> np.ndarray:
    """From 0 to 1."""
    return 1 / (1 + np.exp(-value))


def _rising(progress: np.ndarray) -> np.ndarray:
    return 2 * np.tanh(2 * (progress - MIDDLE))


def plain(latent: Latent, _: float) -> Measures:
    """A common trend, and nothing else."""
    trend = _rising(latent.own)
    return trend + latent.noise, trend + latent.related


def monotone(latent: Latent, noise: float) -> Measures:
    """Both rise with main's clock, one a little later."""
    first, second = (3 * logistic(3 * (latent.own - MIDDLE - later)) for later in (0.0, 0.2))
    return first + noise * latent.noise, second + noise * latent.related


def hump(latent: Latent, noise: float) -> Measures:
    """Both rise and fall."""
    first, second = (3 * np.exp(-(((latent.own - MIDDLE - later) / 0.5) ** 2)) for later in (0.0, 0.1))
    return first + noise * latent.noise, second + noise * latent.related


def onset(latent: Latent, noise: float) -> Measures:
    """Both begin to rise when main does."""
    rise = 2.5 * np.maximum(0, latent.own - MIDDLE)
    return rise + noise * latent.noise, rise + noise * latent.related


def auxiliary(latent: Latent, noise: float) -> Measures:
    """Both rise with the clock of the auxiliaries."""
    first, second = (3 * logistic(3 * (latent.auxiliary - MIDDLE - later)) for later in (0.0, 0.2))
    return first + noise * latent.noise, second + noise * latent.related


def scale(latent: Latent, spread: float) -> Measures:
    """The noise of a run has a scale that both measures share."""
    sizes = np.exp(spread * latent.of_runs())
    trend = _rising(latent.own)
    return trend + sizes * latent.noise, trend + sizes * latent.related


def slopes(latent: Latent, spread: float) -> Measures:
    """Transfer has a slope on overlap that differs between runs, about the relation as its mean."""
    trend = _rising(latent.own)
    return trend + latent.noise, trend + spread * latent.of_runs() * latent.noise + latent.related


def collapse(latent: Latent, share: float) -> Measures:
    """Each measure collapses in some runs, by itself."""
    trend = _rising(latent.own)
    return trend + latent.noise - 4 * latent.events(share), trend + latent.related - 4 * latent.events(share)


def tails(latent: Latent, _: float) -> Measures:
    """Noise with two degrees of freedom: each point's by a factor of its own, which both measures share."""
    factor = 0.7 * np.sqrt(2 / latent.generator.chisquare(2, latent.shape))
    trend = _rising(latent.own)
    return trend + factor * latent.noise, trend + factor * latent.related


def ties(latent: Latent, _: float) -> Measures:
    """Both between 0 and 1, in fifths."""
    first, second = (np.round(5 * np.clip(measure / 6 + 0.5, 0, 1)) / 5 for measure in plain(latent, 0))
    return first, second


@dataclass(frozen=True)
class Setting:
    """A design to simulate."""

    name: str
    shape: Shape = plain
    amount: float = 0.0
    """What its shape takes: a spread, a share, the size of the noise."""
    clock: float = 0.1
    """Standard deviation over runs of the log clock."""
    n_runs: int = 6
    n_steps: int = N_STEPS
    relation: float = 0.0
    lost: float = 0.0
    """Share of checkpoints that are missing."""
    floor: float = 0.0
    """Accuracy of both tasks below which a checkpoint does not count."""
    collides: bool = False
    shared_collapse: float = 0.0
    """Share of runs in which both measures and both accuracies collapse."""
    mechanical: str = ""
    """`d_abl` or `cosine`: both measures are made from simulated maps and accuracy curves."""
    autocorrelation: float = field(default=0.5)

    def __str__(self) -> str:
        related = f"_related{self.relation:g}" if self.relation else ""
        return f"{self.name}{related}.runs{self.n_runs}"

    def draw(self, n: int, generator: np.random.Generator) -> Histories:
        """`n` studies."""
        latent = self._latent(n, generator)
        if self.mechanical:
            overlap, transfer, main, other = mechanical(latent, self.mechanical)
        else:
            overlap, transfer = self.shape(latent, self.amount)
            lost = latent.events(self.shared_collapse) if self.shared_collapse else 0.0
            overlap, transfer = overlap - 4 * lost, transfer - 4 * lost
            curves = (logistic(4 * (latent.own - MIDDLE + 0.3)), logistic(4 * (latent.auxiliary - MIDDLE + 0.6)))
            main, other = (generator.binomial(N_SCORED, (1 - 0.8 * lost) * curve) / N_SCORED for curve in curves)
        counts = (np.minimum(main, other) >= self.floor) & (generator.random(latent.shape) >= self.lost)
        if self.collides:
            counts &= 0.35 * (overlap - transfer) + 0.7 * generator.standard_normal(latent.shape) > -0.5
        overlap, transfer = (np.where(counts, series, np.nan) for series in (overlap, transfer))
        return Histories(latent.log_steps, overlap, transfer, main, other)

    def _latent(self, n: int, generator: np.random.Generator) -> Latent:
        shape = (n, self.n_runs, self.n_steps)
        log_steps = np.log(np.arange(1, self.n_steps + 1) * LAST / self.n_steps)
        late, other_late = generator.standard_normal((2, n, self.n_runs, 1))
        other_late = 0.7 * late + np.sqrt(1 - 0.7**2) * other_late
        noise, other = (autoregressive(shape, self.autocorrelation, generator) for _ in range(2))
        related = self.relation * noise + np.sqrt(1 - self.relation**2) * other
        clocks = (log_steps - self.clock * each for each in (late, other_late))
        return Latent(generator, shape, log_steps, *clocks, noise, related)


def mechanical(latent: Latent, measure: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Heads that are fixed and unrelated in each run; what moves both measures is the accuracies they contain."""
    generator, lengths = latent.generator, np.arange(1, 17)
    noise = [4 * size * autoregressive(latent.shape, 0.5, generator) for size in (0.25, 0.15)]
    learned = (4 * (latent.own - MIDDLE + 0.3) + noise[0], 4 * (latent.auxiliary - MIDDLE + 0.6) + noise[1])
    curves = []
    for level, reach in zip(learned, (6, 14), strict=True):
        share = logistic(level[..., None] - 0.9 * np.maximum(0, lengths - reach))
        curves.append(generator.binomial(N_EVALUATED, share) / N_EVALUATED)
    main, other = (curve[..., 7] for curve in curves)
    heads = generator.dirichlet(np.full(N_HEADS, 0.5), size=(2, *latent.shape[:2], 1))
    error = 0.02 * generator.standard_normal((2, *latent.shape, N_HEADS))
    a, b = (1.5 * level[..., None] * each + off for level, each, off in zip((main, other), heads, error, strict=True))
    likeness = (a * b).sum(axis=-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    overlap = -np.abs(a - b).mean(axis=-1) if measure == "d_abl" else likeness
    return overlap, -np.abs(curves[1] - curves[0]).mean(axis=-1), main, other
