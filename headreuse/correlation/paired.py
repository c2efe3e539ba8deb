"""Do the two series of one run go together, more than one run's overlap goes with another run's transfer?

If overlap and transfer are not related, the overlap of one seed fits the transfer of another seed as well as that of
its own. Other pairings of seeds keep every trend and all autocorrelation, which no test over checkpoints does. The
sharp null in words: seeds are exchangeable, and nothing of a seed's own moves both of its series.

What is compared is each run's own correlation, so that a run with a larger scale has no more weight than another, and
their mean divided by its standard error, so that runs whose slopes differ about zero are not taken for a relation
(studentised permutation: Janssen 1997; DiCiccio & Romano 2017).
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations, product
from math import factorial, prod

import numpy as np
from jaxtyping import Bool, Float, Int

Series = Float[np.ndarray, "*batch run point"]
"""One value a run and point; NaN where a point does not count."""
Matrix = Float[np.ndarray, "*batch run run"]
"""Of each run's overlap with each run's transfer; a run with itself on the diagonal."""

MIN_POINTS = 4
"""Points that two series must share for a correlation of their own; three always lie close to a line."""
EXACT_UP_TO = 5040
"""Where there are at most this many pairings (7 seeds), all of them are used."""
N_SAMPLED = 4999
"""Where there are more, this many are drawn and the true one is added."""
TINY = 1e-12
"""A series whose deviations are below this fraction of its values counts as constant."""
SLACK = 1e-9
LEAST_ERROR = 1e-6
"""Standard errors below this count as this, so that runs that are all alike have a statistic."""
SWEEPS = 4


def deviations(series: Series) -> Series:
    """The series without the level of each run and without what is typical of all runs at each point.

    Typical is the median over runs, which one run with a large scale or a collapse does not move (median polish: Tukey
    1977). NaN at points that fewer than three runs have, or two where there are only two runs.
    """
    counts = np.isfinite(series).sum(axis=-2, keepdims=True)
    left = np.where(counts >= min(3, series.shape[-2]), series, np.nan)
    for _ in range(SWEEPS):
        left = left - _mean(left)
        left = left - _median(left)
    return _without_rounding(left - _mean(left), series)


def about_level(series: Series) -> Series:
    """The series without the level of each run."""
    return _without_rounding(series - _mean(series), series)


def run_correlations(x: Series, y: Series) -> Matrix:
    """Fisher's z of the correlation of each run's `x` with each run's `y`, over the points that both have.

    NaN where they share fewer than `MIN_POINTS` points or one of them does not vary there.
    """
    in_x, in_y = np.isfinite(x).astype(float), np.isfinite(y).astype(float)
    x, y = np.nan_to_num(x), np.nan_to_num(y)
    n = np.maximum(_products(in_x, in_y), 1)
    sum_x, sum_y = _products(x, in_y), _products(in_x, y)
    size_x = _products(x * x, in_y) - sum_x**2 / n
    size_y = _products(in_x, y * y) - sum_y**2 / n
    varies = (size_x > TINY * _products(x * x, in_y)) & (size_y > TINY * _products(in_x, y * y))
    defined = varies & (n >= MIN_POINTS)
    size = np.sqrt(np.where(defined, size_x * size_y, 1.0))
    r = np.where(defined, (_products(x, y) - sum_x * sum_y / n) / size, np.nan)
    return np.arctanh(np.clip(r, -0.999, 0.999))  # z of a perfect correlation is infinite


def own(z: Matrix) -> Float[np.ndarray, "*batch run"]:
    """Fisher's z of each run's own correlation."""
    return np.diagonal(z, axis1=-2, axis2=-1)


def permutation_p(families: Sequence[Sequence[Matrix]]) -> Float[np.ndarray, "*batch"]:
    """Two-sided p of the seed permutation: how often other pairings of seeds are as far from zero as the true one.

    Args:
        families: groups whose seeds are permuted independently; the matrices of one family (twins, whose runs of one
            seed start alike) have the same runs in the same order, and are permuted together.
    """
    orders = [pairings(family[0].shape[-1]) for family in families]
    chosen = _combined([len(order) for order in orders])
    values = []
    for family, order, index in zip(families, orders, chosen, strict=True):
        for z in family:
            known = np.nan_to_num(z)  # an undefined pair says nothing for or against
            centred = known - known.mean(axis=(-2, -1), keepdims=True)
            values.append(centred[..., order, np.arange(order.shape[-1])][..., index, :])
    far = np.abs(_studentised(np.concatenate(values, axis=-1)))
    return np.asarray((far >= far[..., :1] * (1 - SLACK)).mean(axis=-1))


def smallest_p(*n_runs: int) -> float:
    """The smallest p that permuting seeds can give, for groups with so many runs each that are permuted apart."""
    return 1 / min(prod(map(factorial, n_runs)), N_SAMPLED + 1)


@lru_cache
def pairings(n_runs: int, *, seed: int = 0) -> Int[np.ndarray, "pairing run"]:
    """Which run's overlap goes with each run's transfer: all permutations, or a sample; the true one comes first."""
    if factorial(n_runs) <= EXACT_UP_TO:
        return np.array(list(permutations(range(n_runs))))
    runs = np.arange(n_runs)
    sampled = np.random.default_rng(seed).permuted(np.tile(runs, (N_SAMPLED, 1)), axis=1)
    return np.concatenate([runs[None], sampled])


def _combined(n_orders: Sequence[int]) -> list[Int[np.ndarray, "pairing"]]:
    """For each family its pairing in each combination: all combinations, or a sample; the true one first."""
    if prod(n_orders) <= EXACT_UP_TO:
        return list(np.array(list(product(*map(range, n_orders)))).T)
    if len(n_orders) == 1:
        return [np.arange(n_orders[0])]
    generator = np.random.default_rng(len(n_orders))
    return [np.concatenate([[0], generator.integers(n, size=N_SAMPLED)]) for n in n_orders]


def _studentised(z: Float[np.ndarray, "*batch pairing run"]) -> Float[np.ndarray, "*batch pairing"]:
    error = z.std(axis=-1, ddof=1) / np.sqrt(z.shape[-1])
    return z.mean(axis=-1) / np.maximum(error, LEAST_ERROR)


def _products(a: Series, b: Series) -> Matrix:
    return np.einsum("...ip,...jp->...ij", a, b)


def _mean(series: Series) -> Float[np.ndarray, "*batch run 1"]:
    """Each run's mean; 0 for a run without a point."""
    present = np.isfinite(series)
    return np.where(present, series, 0).sum(axis=-1, keepdims=True) / np.maximum(present.sum(axis=-1, keepdims=True), 1)


def _median(series: Series) -> Float[np.ndarray, "*batch 1 point"]:
    """The median over the runs that have a point; 0 where none has."""
    if 0 in series.shape[-2:]:
        return np.zeros((*series.shape[:-2], 1, series.shape[-1]))
    # numpy's nanmedian warns of points without a run, and is slow over many studies.
    ordered = np.sort(series, axis=-2)  # NaN last
    n = np.isfinite(series).sum(axis=-2, keepdims=True)
    middle = (np.take_along_axis(ordered, np.maximum(end, 0), axis=-2) for end in ((n - 1) // 2, n // 2))
    low, high = middle if n.min() else (np.nan_to_num(value) for value in middle)
    return np.where(n > 0, (low + high) / 2, 0.0)


def _without_rounding(left: Series, series: Series) -> Series:
    """The deviations, exactly 0 throughout a run where only rounding errors are left."""
    sizes = (np.max(np.nan_to_num(np.abs(part)), axis=-1, keepdims=True, initial=0) for part in (left, series))
    deviation, size = sizes
    constant: Bool[np.ndarray, "*batch run 1"] = deviation <= TINY * size
    return np.where(constant & np.isfinite(left), 0.0, left)
