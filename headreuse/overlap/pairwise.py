"""The overlap metrics that look at pairs of heads: costly to resample, so computed where they are asked for by name."""

from functools import lru_cache

import numpy as np
from scipy import stats

from headreuse.overlap.metrics import as_measured, direction
from headreuse.overlap.registry import Maps, Values, map_metric


def pair_signs(maps: Maps, _k: int) -> Maps:
    """Sign of the difference of each two heads' effects, all scaled to length 1; NaN for a constant map."""
    first, second = _pairs(maps.shape[-1])
    return direction(np.sign(maps[..., first] - maps[..., second]), _k)


@map_metric(of=pair_signs, low=-1.0, over_heads=False, correlation_like=True)
def kendall(a: Maps, b: Maps) -> Values:
    """Kendall's τ-b over heads: agreeing less disagreeing pairs of heads (as `scipy.stats.kendalltau`)."""
    return np.asarray(np.sum(a * b, axis=-1))


@map_metric(of=as_measured, low=-1.0, correlation_like=True)
def weighted_tau(a: Maps, b: Maps) -> Values:
    """Kendall's τ with weight on the heads that matter most (hyperbolic weights, `scipy.stats.weightedtau`)."""
    return np.asarray(stats.weightedtau(*np.broadcast_arrays(a, b), axis=-1).statistic)


@lru_cache
def _pairs(n_heads: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(n_heads, 1)
