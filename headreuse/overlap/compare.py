"""Maps of head effects compared by one metric: value, interval, chance level and noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from headreuse.errors import HeadreuseError
from headreuse.overlap.chance import (
    N_PERMUTATIONS,
    Chance,
    Shuffles,
    chance_from,
    shuffles_over_all_layers,
    shuffles_within_layers,
)
from headreuse.overlap.intervals import interval
from headreuse.overlap.registry import OVERLAP_METRICS, MapMetric, Maps, PatternMetric, Prepared
from headreuse.overlap.resampling import N_GROUPS, N_SPLITS, ResampledMaps, Weights, draw_weights
from headreuse.records import HeadScores
from headreuse.records.shown import Shown
from headreuse.study.measure_spec import HEADLINE_METRICS, MeasureSpec


@dataclass(frozen=True)
class ComparisonSettings:
    """How tasks are compared."""

    metrics: tuple[str, ...] = HEADLINE_METRICS
    """Names of any overlap metrics, of maps and of patterns; an unknown one is refused."""
    top_k: int = MeasureSpec().top_k
    baseline_floor: float = MeasureSpec().baseline_floor
    n_permutations: int = N_PERMUTATIONS
    n_splits: int = N_SPLITS

    def __post_init__(self) -> None:
        for name in self.metrics:
            OVERLAP_METRICS[name]

    @property
    def map_metrics(self) -> list[MapMetric]:
        """Those of its metrics that compare maps of head effects, in the order in which they are named."""
        return [metric for name in self.metrics if isinstance(metric := OVERLAP_METRICS[name], MapMetric)]

    @property
    def pattern_metrics(self) -> list[PatternMetric]:
        """Those of its metrics that compare mean attention patterns, in the order in which they are named."""
        return [metric for name in self.metrics if isinstance(metric := OVERLAP_METRICS[name], PatternMetric)]


@dataclass(frozen=True, repr=False)
class Overlap(Shown):
    """How alike two tasks are by one metric; the fields are columns of the `overlap` table."""

    metric: str
    """The overlap metric: see `headreuse.overlap.OVERLAP_METRICS`."""
    value: float
    """How alike the two are by it; of a distance, how far apart."""
    ci_low: float = np.nan
    """95 % interval over prompts, paired across the two maps, where one holds; else `note` says why there is none."""
    ci_high: float = np.nan
    """Upper end of the same interval."""
    chance: float = np.nan
    """Mean value when heads are permuted within layers."""
    p_chance: float = np.nan
    """One-sided: how often such permutations give at least as much likeness; NaN where `least_p` exceeds 5 %.

    Small: the two maps rest on the same heads. It says nothing about transfer.
    """
    least_p: float = np.nan
    """The least that `p_chance` could be: how often such permutations give the most likeness that they can give."""
    chance_all_layers: float = np.nan
    """Mean value when heads are permuted over all layers; only for comparison, since layers are not exchangeable."""
    noise_floor: float = np.nan
    """Of a distance: its value between two maps of the same true effects, with as many prompts."""
    noise_ceiling: float = np.nan
    """Of a similarity: its value between two maps of the same true effects; for set metrics with half the prompts."""
    disattenuated: float = np.nan
    """`value` / `noise_ceiling` of correlation-like similarities; noise can make it exceed 1."""
    note: str = ""
    """Why there is no interval or no p, in words; empty where there are both."""


@dataclass(frozen=True)
class Draws:
    """The random draws that all comparisons of one table share."""

    weights: Mapping[int, Weights]
    """By number of examples."""
    within_layers: Shuffles
    over_layers: Shuffles
    all_alike: bool = True
    """Whether every head of a layer may change places with every other, as exact chance levels have it."""


@dataclass(frozen=True)
class PreparedMap:
    """One map in the form that one metric compares."""

    n_layers: int
    point: Float[np.ndarray, "entry"] | Bool[np.ndarray, "entry"]
    """Of all examples; an entry per head (all layers end to end) or per pair of heads."""
    without: Float[np.ndarray, "group entry"] | Bool[np.ndarray, "group entry"]
    """Without each group of the examples in turn."""
    within_layers: Float[np.ndarray, "_ entry"] | Bool[np.ndarray, "_ entry"]
    """The map with its heads rearranged, each way a row."""
    over_layers: Float[np.ndarray, "_ entry"] | Bool[np.ndarray, "_ entry"]
    self_likeness: float
    """The metric between halves of the examples, mean over splits."""
    n_moved: int
    """Examples in which the map's strongest head has any effect."""

    def by_layer(self) -> Bool[np.ndarray, "layer head"]:
        """The set of heads that a set metric compares, layer by layer."""
        return self.point.reshape(self.n_layers, -1)


def draw(scores: Sequence[HeadScores], settings: ComparisonSettings, generator: np.random.Generator) -> Draws:
    """The draws that fit these scores; raises where they are of models with other heads."""
    shapes = {entry.effects[outcome].shape for entry in scores for outcome in entry.effects}
    layouts = sorted({shape[:2] for shape in shapes})
    if len(layouts) > 1:
        models = " and ".join(f"{n_layers} × {n_heads}" for n_layers, n_heads in layouts)
        raise HeadreuseError(f"head scores of models with {models} heads cannot be compared; give scores of one model")
    n_layers, n_heads = layouts[0]
    n = settings.n_permutations
    weights = draw_all_weights(scores, settings, generator)
    within = shuffles_within_layers(n_layers, n_heads, generator, n_permutations=n)
    return Draws(weights, within, shuffles_over_all_layers(n_layers, n_heads, generator, n_permutations=n))


def draw_all_weights(
    scores: Sequence[HeadScores], settings: ComparisonSettings, generator: np.random.Generator
) -> dict[int, Weights]:
    """Weights of examples by their number."""
    sizes = sorted({effects.shape[2] for entry in scores for effects in entry.effects.values()})
    # Two tasks are compared group by group, so they have as many groups, also where one has few prompts.
    n_groups = min(N_GROUPS, *sizes)
    return {
        n_examples: draw_weights(n_examples, generator, n_groups=n_groups, n_splits=settings.n_splits)
        for n_examples in sizes
    }


def prepare(
    metric: MapMetric, maps: ResampledMaps, draws: Draws, *, k: int, heads: Sequence[int] | None = None
) -> PreparedMap:
    """Bring a map, its resamples and its rearrangements to the form that `metric` compares.

    `heads` are those of each layer that can be in a set of heads; None for all.
    """
    usable = None if heads is None else np.tile(np.isin(np.arange(maps.point.shape[1]), heads), len(maps.point))

    def prepared(values: Maps) -> Prepared:
        found = metric.prepare(values, k)
        if usable is None or found.dtype != np.bool_:
            return found
        # A head that is no candidate comes after all others, also after those that harm.
        return metric.prepare(values if metric.absolute else np.where(usable, values, -np.inf), k) & usable

    point = prepared(maps.point.reshape(-1))

    def rearranged(shuffles: Shuffles) -> Prepared:
        return point[shuffles.orders] if metric.over_heads else prepared(maps.point.reshape(-1)[shuffles.orders])

    halves = metric.compare(prepared(maps.first_half), prepared(maps.second_half))
    return PreparedMap(
        len(maps.point),
        point,
        prepared(maps.without),
        rearranged(draws.within_layers),
        rearranged(draws.over_layers),
        float(halves.mean()) if not np.isnan(halves).any() else np.nan,
        maps.n_moved,
    )


def overlap(metric: MapMetric, a: PreparedMap, b: PreparedMap, draws: Draws) -> Overlap:
    """How alike two prepared maps are."""
    value = float(metric.compare(a.point, b.point))
    within, over = _chances(metric, value, a, b, draws)
    ceiling = _ceiling(metric, a.self_likeness, b.self_likeness)
    over_prompts = interval(
        metric,
        value,
        metric.compare(a.without, b.without),
        self_likeness=min(a.self_likeness, b.self_likeness),
        n_moved=min(a.n_moved, b.n_moved),
    )
    return Overlap(
        metric=metric.name,
        value=value,
        ci_low=over_prompts.low,
        ci_high=over_prompts.high,
        chance=within.level,
        p_chance=within.p,
        least_p=within.least_p,
        chance_all_layers=over.level,
        noise_floor=_floor(a.self_likeness, b.self_likeness) if metric.distance else np.nan,
        noise_ceiling=ceiling,
        disattenuated=value / ceiling if metric.correlation_like else np.nan,
        note="; ".join(filter(None, (over_prompts.note, within.note))),
    )


def _chances(metric: MapMetric, value: float, a: PreparedMap, b: PreparedMap, draws: Draws) -> tuple[Chance, Chance]:
    """Chance within layers and over all layers."""
    if metric.exact_chance is not None and draws.all_alike:
        one_layer = metric.exact_chance(a.by_layer().reshape(1, -1), b.by_layer().reshape(1, -1))
        return metric.exact_chance(a.by_layer(), b.by_layer()), one_layer
    null = metric.compare(a.point, b.within_layers)
    within = chance_from(null, value, distance=metric.distance, exact=draws.within_layers.exact)
    null = metric.compare(a.point, b.over_layers)
    return within, chance_from(null, value, distance=metric.distance, exact=draws.over_layers.exact)


def _floor(a: float, b: float) -> float:
    """Noise floor of a distance, from split halves of two maps."""
    # A half has twice the sampling variance of the whole, so two whole maps of the same true effects are 1/√2 as far
    # apart as two halves. The variances of the two tasks are averaged.
    return float(np.sqrt((a**2 + b**2) / 2) / np.sqrt(2))


def _ceiling(metric: MapMetric, a: float, b: float) -> float:
    """Noise ceiling of a similarity, from split halves of two maps; NaN where two halves are not alike at all."""
    if metric.distance:
        return np.nan
    if not metric.correlation_like:
        return (a + b) / 2
    # Noise multiplies the correlation of two maps by √(reliability of a · reliability of b) (Spearman 1904), so that
    # product is what two maps of the same true effects would show. The correlation r of two halves is the reliability
    # of a half; that of the whole, twice as long, is 2r / (1 + r) (Spearman 1910; Brown 1910). No such law is known for
    # the other similarities: theirs is the mean of the halves' similarities, and so that of half the prompts.
    return float(np.sqrt(2 * a / (1 + a) * 2 * b / (1 + b))) if a > 0 and b > 0 else np.nan
