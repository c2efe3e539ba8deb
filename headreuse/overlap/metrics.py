"""The overlap metrics: how alike are two maps of head effects?

Each function compares two prepared maps over their last dimension (heads, all layers end to end) and broadcasts over
the rest. A metric is NaN where it is undefined: the direction of a map that is zero (or, for ranks, constant), a share
of nothing, two empty sets.
"""

import numpy as np
from scipy import stats

from headreuse.overlap.chance import jaccard_chance
from headreuse.overlap.registry import Maps, Sets, Values, map_metric

THRESHOLD = 0.25
"""A threshold set holds the heads whose effect is at least this fraction of the map's largest (our choice)."""


def as_measured(maps: Maps, _k: int) -> Maps:
    """The effects themselves, in units of the outcome."""
    return maps


def direction(maps: Maps, _k: int) -> Maps:
    """The map scaled to length 1; NaN for a zero map."""
    return _ratio(maps, np.sqrt(np.sum(maps * maps, axis=-1, keepdims=True)))


def ranks(maps: Maps, _k: int) -> Maps:
    """Ranks (ties averaged) about their mean, scaled to length 1; NaN for a constant map."""
    ranked = stats.rankdata(maps, axis=-1).astype(maps.dtype)
    return direction(ranked - (maps.shape[-1] + 1) / 2, _k)


def helping(maps: Maps, _k: int) -> Maps:
    """The effects of the heads that help; 0 for the others."""
    return np.maximum(maps, 0)


def helping_shares(maps: Maps, _k: int) -> Maps:
    """Each helping head's share of all the help; NaN where no head helps."""
    positive = np.maximum(maps, 0)
    return _ratio(positive, positive.sum(axis=-1, keepdims=True))


def top_set(maps: Maps, k: int) -> Sets:
    """The heads above the (k+1)-th largest effect: the `k` largest, without those equal to the (k+1)-th.

    So a set never depends on the order in which heads are listed, and the set of a constant map is empty.
    """
    n_heads = maps.shape[-1]
    if k >= n_heads:
        return np.ones(maps.shape, dtype=bool)
    border = np.partition(maps, n_heads - k - 1, axis=-1)[..., n_heads - k - 1]
    return maps > border[..., None]


def threshold_set(maps: Maps, _k: int) -> Sets:
    """The heads whose effect is positive and at least `THRESHOLD` of the largest."""
    return (maps > 0) & (maps >= THRESHOLD * maps.max(axis=-1, keepdims=True))


@map_metric(of=as_measured, high=np.inf, distance=True, absolute_too=False)
def ablation_map_difference(a: Maps, b: Maps) -> Values:
    """D_abl as published: the mean over heads of |a − b|, in units of the outcome; a distance, 0 for equal maps.

    Cai et al. 2025, arXiv 2506.09251, on attention-head reuse. Sampling noise makes it larger: compare it with its
    noise floor.
    """
    return np.asarray(np.abs(a - b).mean(axis=-1))


@map_metric(of=direction, low=-1.0, correlation_like=True, interval_holds=True)
def cosine(a: Maps, b: Maps) -> Values:
    """Cosine of the angle between the maps: 1 for proportional maps, 0 for orthogonal ones."""
    return _total(a * b)


@map_metric(of=ranks, low=-1.0, correlation_like=True)
def spearman(a: Maps, b: Maps) -> Values:
    """Spearman's rank correlation over heads, ties averaged (as `scipy.stats.spearmanr`)."""
    return _total(a * b)


@map_metric(of=top_set, exact_chance=jaccard_chance)
def top_k_jaccard(a: Sets, b: Sets) -> Values:
    """Shared fraction of the two sets of the k most helpful heads."""
    return _jaccard(a, b)


@map_metric(of=threshold_set, exact_chance=jaccard_chance)
def threshold_jaccard(a: Sets, b: Sets) -> Values:
    """Shared fraction of the two sets of heads with at least a quarter of the largest effect."""
    return _jaccard(a, b)


@map_metric(of=threshold_set)
def threshold_overlap_coefficient(a: Sets, b: Sets) -> Values:
    """Shared heads as a fraction of the smaller threshold set: 1 where one set contains the other."""
    return _ratio(_count(a & b), np.minimum(_count(a), _count(b)))


@map_metric(of=threshold_set, symmetric=False)
def threshold_containment(a: Sets, b: Sets) -> Values:
    """Fraction of the first map's threshold set that is in the second's; directed."""
    return _ratio(_count(a & b), _count(a))


@map_metric(of=helping)
def weighted_jaccard(a: Maps, b: Maps) -> Values:
    """Ruzicka similarity of the helping effects, Σ min / Σ max: shared weight, sensitive to scale."""
    return _ratio(_total(np.minimum(a, b)), _total(np.maximum(a, b)))


@map_metric(of=helping_shares)
def mass_overlap(a: Maps, b: Maps) -> Values:
    """Σ min of each head's share of the help: 1 − total variation distance of the shares, insensitive to scale."""
    return _total(np.minimum(a, b))


def _jaccard(a: Sets, b: Sets) -> Values:
    return _ratio(_count(a & b), _count(a | b))


def _total(maps: Maps) -> Values:
    """Sum over heads; an array for one pair of maps, too."""
    return np.asarray(maps.sum(axis=-1))


def _count(sets: Sets) -> Values:
    return np.asarray(np.count_nonzero(sets, axis=-1), dtype=float)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part / whole`, NaN where the whole is 0."""
    return np.divide(
        part, whole, out=np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan, part.dtype), where=whole != 0
    )
