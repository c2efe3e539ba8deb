"""What an overlap metric is, and how one is added: one function under `@map_metric` or `@pattern_metric`.

A metric of maps compares two tasks' head effects; a metric of patterns compares two tasks' mean attention patterns.
Both kinds are in `OVERLAP_METRICS`. A file of this folder that registers a metric is found by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import numpy as np
from jaxtyping import Bool, Float

from headreuse.errors import HeadreuseError
from headreuse.overlap.chance import Chance, Shuffles
from headreuse.records import MeanPattern
from headreuse.registry import Registry

Maps = Float[np.ndarray, "*#batch head"]
"""Effects, all layers end to end, or a form of them that a metric compares; batches broadcast against each other."""
Sets = Bool[np.ndarray, "*#batch head"]
Prepared = Float[np.ndarray, "*#batch entry"] | Bool[np.ndarray, "*#batch entry"]
"""What a metric compares: one entry per head, or per pair of heads."""
Values = Float[np.ndarray, "*batch"]

Compare = Callable[..., Values]
"""Of two prepared maps, one number each."""
Prepare = Callable[[Maps, int], Prepared]
"""Brings maps to the form that is compared, once for every map however many it is compared with."""
ExactChance = Callable[[Bool[np.ndarray, "layer head"], Bool[np.ndarray, "layer head"]], Chance]
ComparePatterns = Callable[[MeanPattern, MeanPattern], float]


@dataclass(frozen=True)
class OverlapMetric:
    """How alike two tasks' heads are: what metrics of maps and metrics of patterns have in common."""

    name: str
    summary: str
    """The first line of its documentation."""
    distance: bool
    """Whether larger means less alike; for every other metric larger means more alike."""
    symmetric: bool
    low: float
    """The least value that it can take."""
    high: float


@dataclass(frozen=True)
class MapMetric(OverlapMetric):
    """How alike two maps of head effects are. All of it broadcasts over leading dimensions."""

    compare: Compare
    prepare: Prepare
    absolute: bool
    """Whether it uses only the size of effects; otherwise a head that harms differs from one that helps."""
    over_heads: bool
    """Whether a prepared map still has one entry per head, in order, so that permuting it permutes heads."""
    correlation_like: bool
    """Whether sampling noise attenuates it as it does a correlation, so that Spearman–Brown applies."""
    interval_holds: bool
    """Whether its interval over prompts holds in simulation for maps that are clear of noise; it lies within ±1."""
    exact_chance: ExactChance | None
    """Its chance level and p from two prepared maps (`layer head`), where that needs no rearranging."""

    def __call__(
        self, a: Float[np.ndarray, "*#batch layer head"], b: Float[np.ndarray, "*#batch layer head"], *, k: int = 3
    ) -> Values:
        """The metric of maps `a` and `b`; `k` is the size of top-k sets and is ignored by other metrics."""
        return self.compare(self.prepare(flat(a), k), self.prepare(flat(b), k))


@dataclass(frozen=True)
class PatternMetric(OverlapMetric):
    """How alike the mean attention patterns of two tasks are, head by head."""

    value: ComparePatterns
    """Raises `HeadreuseError` where the prompts of the two patterns do not line up."""
    chance: Callable[[MeanPattern, MeanPattern, Shuffles], Chance]
    """Chance level and p when the heads of the second are rearranged."""
    misalignment: Callable[[MeanPattern, MeanPattern], str]
    """Why two patterns cannot be compared, in words; empty where they can."""


OVERLAP_METRICS: Registry[OverlapMetric] = Registry("overlap metric", room="headreuse.overlap")


def map_metrics() -> dict[str, MapMetric]:
    """The metrics that compare maps of head effects, by name."""
    return {name: metric for name, metric in OVERLAP_METRICS.items() if isinstance(metric, MapMetric)}


def pattern_metrics() -> dict[str, PatternMetric]:
    """The metrics that compare mean attention patterns, by name."""
    return {name: metric for name, metric in OVERLAP_METRICS.items() if isinstance(metric, PatternMetric)}


def flat(maps: Float[np.ndarray, "*batch layer head"]) -> Float[np.ndarray, "*batch layer*head"]:
    """Maps with their layers laid end to end."""
    return maps.reshape(*maps.shape[:-2], -1)


def map_metric(
    *,
    of: Prepare,
    low: float = 0.0,
    high: float = 1.0,
    distance: bool = False,
    symmetric: bool = True,
    over_heads: bool = True,
    correlation_like: bool = False,
    interval_holds: bool = False,
    exact_chance: ExactChance | None = None,
    absolute_too: bool = True,
) -> Callable[[Compare], Compare]:
    """Register a function of two maps, each prepared by `of`, under its name.

    With `absolute_too` also as `absolute_<name>`, which compares the effects' absolute values: signed and absolute
    forms keep their own names.
    """

    def register(compare: Compare) -> Compare:
        name = compare.__name__

        def of_sizes(maps: Maps, k: int) -> Prepared:
            return of(np.abs(maps), k)

        forms = [(name, of, False)] + ([(f"absolute_{name}", of_sizes, True)] if absolute_too else [])
        for form, prepare, absolute in forms:
            metric = MapMetric(
                name=form,
                summary=_first_line(compare),
                distance=distance,
                symmetric=symmetric,
                low=low,
                high=high,
                compare=compare,
                prepare=prepare,
                absolute=absolute,
                over_heads=over_heads,
                correlation_like=correlation_like,
                interval_holds=interval_holds and not absolute,
                exact_chance=exact_chance,
            )
            OVERLAP_METRICS.add(form, metric)
        return compare

    return register


def pattern_metric(
    *,
    chance: Callable[[MeanPattern, MeanPattern, Shuffles], Chance],
    misalignment: Callable[[MeanPattern, MeanPattern], str],
    low: float = 0.0,
    high: float = 1.0,
    distance: bool = False,
    symmetric: bool = True,
) -> Callable[[ComparePatterns], ComparePatterns]:
    """Register a function of two mean patterns under its name; it then refuses patterns that do not line up."""

    def register(compare: ComparePatterns) -> ComparePatterns:
        @wraps(compare)
        def value(a: MeanPattern, b: MeanPattern) -> float:
            if reason := misalignment(a, b):
                raise HeadreuseError(f"attention patterns cannot be compared: {reason}")
            return compare(a, b)

        metric = PatternMetric(
            name=compare.__name__,
            summary=_first_line(compare),
            distance=distance,
            symmetric=symmetric,
            low=low,
            high=high,
            value=value,
            chance=chance,
            misalignment=misalignment,
        )
        OVERLAP_METRICS.add(metric.name, metric)
        return value

    return register


def _first_line(function: Callable[..., object]) -> str:
    return (function.__doc__ or "").strip().splitlines()[0]
