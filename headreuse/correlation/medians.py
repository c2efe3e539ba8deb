"""The median over runs, with an interval that holds whatever the distribution is.

The k-th lowest and the k-th highest of independent values enclose their median with a probability that follows from k
and their number alone (David & Nagaraja 2003, Order Statistics, section 7.1).
"""

from functools import cache

import numpy as np
from jaxtyping import Float
from scipy import stats


def rank_of_end(n: int, *, confidence: float) -> int:
    """k: the interval goes from the k-th lowest of `n` values to the k-th highest; 0 where none is so sure."""
    missed = 2 * stats.binom.cdf(np.arange(n), n, 0.5)
    return int((missed <= 1 - confidence).sum())


def confidence_of(n: int, k: int) -> float:
    """How often that interval encloses the median of values that are never equal; NaN for k = 0."""
    return float(1 - 2 * stats.binom.cdf(k - 1, n, 0.5)) if k else np.nan


def interval_of_median(
    values: Float[np.ndarray, "*batch run"], *, confidence: float
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Both ends of the interval that is about so sure: between two order statistics, interpolated as their confidences.

    Where the extremes are less sure than that, they are the ends (Hettmansperger & Sheather 1986). No value may be NaN.
    """
    n = values.shape[-1]
    ordered = np.sort(values, axis=-1)
    k = max(1, rank_of_end(n, confidence=confidence))
    surer, next_one = confidence_of(n, k), confidence_of(n, k + 1)
    share = np.clip((surer - confidence) / (surer - next_one), 0, 1)
    inwards = (n - k) * share / (k + (n - 2 * k) * share)
    low = (1 - inwards) * ordered[..., k - 1] + inwards * ordered[..., k]
    high = (1 - inwards) * ordered[..., n - k] + inwards * ordered[..., n - k - 1]
    return np.asarray(low), np.asarray(high)


@cache
def u_at_most(n: int, m: int) -> np.ndarray:
    """P(U ≤ u), u from 0 to n·m, of the Mann-Whitney U of n and m seeds that are distributed alike, without ties.

    The number of orders with U = u is a coefficient of the Gaussian binomial ∏ (1 − q^(m+i)) / (1 − q^i), i = 1 to n
    (Mann and Whitney 1947), here multiplied and divided out factor by factor.
    """
    orders = np.zeros(n * m + 1)
    orders[0] = 1
    for i in range(1, n + 1):
        shifted = np.concatenate([np.zeros(m + i), orders])[: len(orders)]
        orders = orders - shifted
        for u in range(i, len(orders)):
            orders[u] += orders[u - i]
    return np.cumsum(orders) / orders.sum()
