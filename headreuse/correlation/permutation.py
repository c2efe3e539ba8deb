"""Does a run's transfer go with its own overlap more than with another run's? The seed-permutation test.

If the two are not related, the overlap series of one seed fits the transfer series of another seed, at the same steps,
as well as that of the same seed. Other pairings of seeds keep every trend and all autocorrelation. So this test is
exact, and no test over checkpoints is. With S seeds there are S! pairings, and p cannot be below 1 / S!: it takes 4
seeds to reach 5 %, or several groups of 3.
"""

from functools import lru_cache
from itertools import permutations
from math import factorial, prod

import numpy as np
from jaxtyping import Float, Int

from headreuse.correlation.intervals import CONFIDENCE, Interval
from headreuse.correlation.statistics import STATISTICS, Centred, Series, Statistic

EXACT_UP_TO = 5040
"""Where there are at most this many pairings (7 seeds), all of them are used."""
N_SAMPLED = 4999
"""Where there are more, this many are drawn and the true one is added."""
SLACK = 1e-9

Null = Float[np.ndarray, "*batch pairing"]
"""A statistic under each pairing minus its mean over all pairings; the true pairing first."""


def smallest_p(n_runs: int | tuple[int, ...]) -> float:
    """The smallest p that permuting seeds can give with so many runs; for several groups, with so many in each."""
    n_pairings = prod(factorial(n) for n in (n_runs if isinstance(n_runs, tuple) else (n_runs,)))
    return 1 / min(n_pairings, N_SAMPLED + 1)


@lru_cache
def pairings(n_runs: int, *, seed: int = 0) -> Int[np.ndarray, "pairing run"]:
    """Which run's overlap goes with each run's transfer: all permutations, or a sample; the true one comes first."""
    if factorial(n_runs) <= EXACT_UP_TO:
        return np.array(list(permutations(range(n_runs))))
    runs = np.arange(n_runs)
    sampled = np.random.default_rng(seed).permuted(np.tile(runs, (N_SAMPLED, 1)), axis=1)
    return np.concatenate([runs[None], sampled])


def null(x: Centred, y: Centred) -> Null:
    """The correlation of centred series under every pairing of runs, minus its mean over all of them."""
    size = np.sqrt(np.sum(x * x, axis=(-2, -1)) * np.sum(y * y, axis=(-2, -1)))
    across = _paired_sums(x, y)
    size = size[..., None]
    return np.divide(across, size, out=np.full(across.shape, np.nan), where=size > 0)


def p_value(under_null: Null) -> Float[np.ndarray, "*batch"]:
    """Two-sided: how often a pairing is as far from the mean of all pairings as the true one; NaN where undefined."""
    far = np.abs(under_null)
    p = (far >= far[..., :1] * (1 - SLACK)).mean(axis=-1)
    return np.where(np.isnan(under_null).any(axis=-1), np.nan, p)


def seed_permutation(x: Series, y: Series, statistic: Statistic) -> Float[np.ndarray, "*batch"]:
    """p under no relation beyond the trend that all runs share; `x` and `y` hold every step of every run."""
    return p_value(null(statistic.centred(x), statistic.centred(y)))


def stratified(nulls: list[Null]) -> Float[np.ndarray, "*batch combination"]:
    """The sum over independent groups, with the seeds of each group permuted within that group."""
    # Groups are independent, so every pairing of one goes with every pairing of the next: the sums of all combinations,
    # the true one first. Where these are too many, both sides are sampled, the true one kept first: the sum of two
    # independent draws is a random draw from all combinations.
    total = nulls[0]
    for more in nulls[1:]:
        if total.shape[-1] * more.shape[-1] <= EXACT_UP_TO:
            total = (total[..., :, None] + more[..., None, :]).reshape(*total.shape[:-1], -1)
        else:
            total = _sampled(total, 1) + _sampled(more, 2)
    return total


def slope_interval(x: Series, y: Series) -> tuple[Float[np.ndarray, "*batch"], Interval]:
    """Slope of y on x given run and step, and every slope that the seed-permutation test does not reject at 5 %.

    Under y = slope · x + e, with e that any run could have had, the interval is exact.
    """
    # Let S_k and T_k be the sums Σ x̃x̃ and Σ x̃ỹ under pairing k, and 0 the true pairing. At a slope b the test compares
    # |T_k − b S_k| with |T_0 − b S_0|. They are equal at b = (T_0 − T_k) / (S_0 − S_k) and (T_0 + T_k) / (S_0 + S_k).
    # Since |S_k| ≤ S_0 (Cauchy–Schwarz; the centred runs sum to 0), the true side grows faster away from its zero, the
    # estimate T_0 / S_0. So pairing k is at least as far as the true one exactly between those two slopes. p at b is
    # the share of these intervals that hold b, so the slopes with p above 5 % end at order statistics of their bounds.
    # A pairing with the same sums as the true one is as far at every slope.
    x, y = (STATISTICS["step_adjusted"].centred(series) for series in (x, y))
    with np.errstate(divide="ignore", invalid="ignore"):
        of_x, of_xy = _paired_sums(x, x), _paired_sums(x, y)
        slope = of_xy[..., 0] / of_x[..., 0]
        less = (of_xy[..., :1] - of_xy) / (of_x[..., :1] - of_x)
        more = (of_xy[..., :1] + of_xy) / (of_x[..., :1] + of_x)
    low, high = np.fmin(less, more), np.fmax(less, more)
    always = np.isclose(of_x, of_x[..., :1], rtol=SLACK) & np.isclose(of_xy, of_xy[..., :1], rtol=SLACK)
    low, high = np.where(always, -np.inf, low), np.where(always, np.inf, high)
    n_rejected = int((1 - CONFIDENCE) * low.shape[-1] + SLACK)
    limits = np.sort(low, axis=-1)[..., n_rejected], np.sort(high, axis=-1)[..., -1 - n_rejected]
    return np.asarray(slope), Interval(*limits)


def _paired_sums(x: Centred, y: Centred) -> Null:
    """Σ x̃ỹ under every pairing, minus its mean over all of them."""
    # A pairing only chooses which run of x meets which run of y. So the sums of all pairs of runs are taken once, and a
    # pairing adds n_runs of them. Each pair is in 1/n_runs of all permutations, so the mean over all permutations is
    # the sum over all pairs / n_runs. That is exact also where pairings are sampled.
    products = np.einsum("...ic,...jc->...ij", x, y)
    n_runs = products.shape[-1]
    sums = products.reshape(*products.shape[:-2], -1) @ _chosen(n_runs)
    return sums - products.sum(axis=(-2, -1))[..., None] / n_runs


@lru_cache
def _chosen(n_runs: int) -> Float[np.ndarray, "run_pair pairing"]:
    """1 where a pairing matches one run's overlap with another's transfer, so that all sums are one matrix product."""
    orders = pairings(n_runs)
    chosen = np.zeros((n_runs, n_runs, len(orders)))
    chosen[orders, np.arange(n_runs), np.arange(len(orders))[:, None]] = 1.0
    return chosen.reshape(n_runs**2, -1)


def _sampled(values: Null, seed: int) -> Float[np.ndarray, "*batch sample"]:
    """The true pairing, and `N_SAMPLED` drawn from all pairings."""
    drawn = np.random.default_rng(seed).integers(values.shape[-1], size=N_SAMPLED)
    return np.concatenate([values[..., :1], values[..., drawn]], axis=-1)
