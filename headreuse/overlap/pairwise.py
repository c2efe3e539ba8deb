"""The overlap metrics that compare pairs of heads: costly to resample, so computed only where a study names them."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from headreuse.overlap.metrics import as_measured, direction
from headreuse.overlap.registry import Maps, Values, map_metric

Pairs = Float[np.ndarray, "*#batch pair"]


def pair_signs(maps: Maps, _k: int) -> Float[np.ndarray, "*batch pair"]:
    """Sign of the difference of each two heads' effects, scaled to length 1 together; NaN for a constant map."""
    first, second = _pairs(maps.shape[-1])
    return direction(np.sign(maps[..., first] - maps[..., second]), _k)


@map_metric(of=pair_signs, low=-1.0, over_heads=False, correlation_like=True)
def kendall(a: Pairs, b: Pairs) -> Values:
    """Kendall's τ-b over heads: concordant minus discordant pairs of heads (as `scipy.stats.kendalltau`)."""
    return np.asarray(np.sum(a * b, axis=-1))


@map_metric(of=as_measured, low=-1.0, correlation_like=True)
def weighted_tau(a: Maps, b: Maps) -> Values:
    """Kendall's τ with weight on the heads that matter most (hyperbolic weights, `scipy.stats.weightedtau`)."""
    return np.asarray(stats.weightedtau(*np.broadcast_arrays(a, b), axis=-1).statistic)


@lru_cache
def _pairs(n_heads: int) -> tuple[Int[np.ndarray, "pair"], Int[np.ndarray, "pair"]]:
    return np.triu_indices(n_heads, 1)
