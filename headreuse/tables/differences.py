"""Differences between groups of seeds, each seed one observation: medians, intervals and p of the same quantity.

Pairs of one seed, and seeds against a number: the median of the differences, the interval of `tables/seeds.py`, and the
sign test. Twins, which start from the same weights: the same median and interval, and a test that flips signs. Two arms
of other seeds: the median over all pairs of a seed of one with a seed of the other (Hodges and Lehmann 1963), with the
interval and the p of the Wilcoxon-Mann-Whitney test, both exact. Nothing is assumed of how seeds are distributed, nor
that two arms are distributed alike. Ties count against a difference.

With few seeds no p is small, so that the smallest possible goes with each: 0.1 for two arms of 3 seeds, 0.008 for two
of 5, and for pairs 0.25 and 0.0625.
"""

from dataclasses import dataclass, replace
from math import comb

import numpy as np
import pandas as pd
from scipy import stats

from headreuse.correlation.medians import u_at_most
from headreuse.records.shown import Shown
from headreuse.tables.seeds import rank_of_end

SIGNIFICANT = 0.05
CONFIDENCE = 0.957
"""Of the interval of two arms whose seeds are distributed alike; 0.95 would cover 92 % of 8 against 8 that are not."""
UNEQUAL = 0.8
"""How much of the margin is used where two arms have other numbers of seeds: simulated, that keeps 92 %."""
MOST_SIGNS = 2**14
"""Choices of signs that a test of twins goes through."""
SAME = 1e-9
"""Accuracies that differ by less differ by rounding."""


@dataclass(frozen=True, repr=False)
class Estimate(Shown):
    """A median difference."""

    difference: float
    ci_low: float = np.nan
    ci_high: float = np.nan
    """Encloses it in at least 92 % of studies; NaN with fewer than 5 seeds in an arm."""
    p: float = np.nan
    """Two-sided and exact, of no difference; NaN where there is one seed."""
    smallest_p: float = np.nan
    """The smallest that this number of seeds can give."""
    all_alike: bool = False
    """Whether no arm varies at all, which says little about seeds that were not trained."""

    @property
    def can_be_seen(self) -> bool:
        """Whether there are seeds enough for a p of 5 %."""
        return self.smallest_p <= SIGNIFICANT

    @property
    def seen(self) -> str:
        """`differs` where p is at most 5 %, else `no difference seen`; never that there is none."""
        if np.isnan(self.difference):
            return "nothing to compare"
        if not self.can_be_seen:
            return "too few seeds to see a difference"
        return "differs" if self.p <= SIGNIFICANT else "no difference seen"


def compare_seeds(a: pd.Series, b: pd.Series, *, paired: bool) -> Estimate:
    """`a` less `b`; row i of both is one pair, or all seeds are separate."""
    if paired:
        return seeds_against(pd.Series(a.to_numpy() - b.to_numpy()), 0.0)
    x, y = a.to_numpy(), b.to_numpy()
    differences = np.sort(_without_rounding(x[:, None] - y[None, :]), axis=None)
    median = float(np.median(differences))
    if min(len(x), len(y)) < 2:
        return Estimate(median)
    beyond = min((differences <= 0).sum(), (differences >= 0).sum())
    p = min(1.0, 2 * float(u_at_most(len(x), len(y))[beyond]))
    k = rank_of_difference(len(x), len(y))
    low, high = (float(differences[k - 1]), float(differences[-k])) if k else (np.nan, np.nan)
    alike = max(np.ptp(x), np.ptp(y)) < SAME
    return Estimate(median, low, high, p, min(1.0, 2 / comb(len(x) + len(y), len(x))), alike)


def compare_twins(a: pd.Series, b: pd.Series) -> Estimate:
    """`a` less `b`, seed by seed, where a seed starts both arms alike: only what the arms do tells its two runs apart.

    If the arms did nothing, either run of a seed could as well have been the other, so that each difference could have
    had the other sign (Fisher 1935, The Design of Experiments, section 21). p is the share of all such choices of signs
    whose mean is at least as far from 0; with more than 14 seeds, of 16,384 drawn at random.
    """
    estimate = compare_seeds(a, b, paired=True)
    if len(a) < 2:
        return estimate
    differences = _without_rounding(a.to_numpy() - b.to_numpy())
    test = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=MOST_SIGNS, rng=np.random.default_rng(0)
    )
    return replace(estimate, p=float(test.pvalue))


def seeds_against(values: pd.Series, number: float) -> Estimate:
    """`values` less a number."""
    x = np.sort(_without_rounding(values.to_numpy() - number))
    median, n = float(np.median(x)), len(x)
    if n < 2:
        return Estimate(median)
    beyond = min((x <= 0).sum(), (x >= 0).sum())
    p = min(1.0, 2 * float(stats.binom.cdf(beyond, n, 0.5)))
    k = rank_of_end(n)
    low, high = (float(x[k - 1]), float(x[-k])) if k else (np.nan, np.nan)
    return Estimate(median, low, high, p, 2 / 2**n, bool(np.ptp(x) < SAME))


def bound_on_seeds(n_alike: int) -> float:
    """The largest share of seeds that could differ, at 95 % confidence, where `n_alike` seeds are all alike."""
    return float(1 - SIGNIFICANT ** (1 / n_alike))


def rank_of_difference(n: int, m: int) -> int:
    """k: the interval goes from the k-th lowest of all n·m differences to the k-th highest; 0 where it has none.

    The usual k is that of the Wilcoxon-Mann-Whitney test, for arms that are distributed alike. It may be too large
    where they are not, at worst where one arm does not vary: then each seed of the other arm gives as many differences
    as the first has seeds, and the ends must be its own by `rank_of_end`.
    """
    usual = int((2 * u_at_most(n, m) <= 1 - CONFIDENCE).sum())
    one_varies = min(n * rank_of_end(m), m * rank_of_end(n))
    return min(usual, one_varies if n == m else int(UNEQUAL * one_varies))


def _without_rounding(differences: np.ndarray) -> np.ndarray:
    return np.where(np.abs(differences) < SAME, 0.0, differences)
