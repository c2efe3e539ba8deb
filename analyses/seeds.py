"""Differences between groups of seeds, each seed one observation: intervals by Student's t, p by exact permutation.

With few seeds a permutation test cannot give a small p, so that the smallest it could give goes with each: 0.1 for two
arms of 3 seeds, 0.002 for two of 6, and for pairs of the same seed 0.25 and 0.031.
"""

from dataclasses import dataclass
from math import comb

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

CONFIDENCE = 0.95
EXACT_UP_TO = 20_000
"""Permutations that are gone through; where there are more, no p is given."""

SAME = 1e-9
"""Accuracies that differ by less differ by rounding."""


@dataclass(frozen=True)
class Estimate:
    """A difference of means over seeds."""

    difference: float
    ci_low: float
    ci_high: float
    """95 %; NaN where an arm has one seed. Student's, which may go past what an accuracy can be."""
    p: float = np.nan
    """Two-sided and exact; NaN where there is nothing to permute."""
    smallest_p: float = np.nan
    """The smallest that this number of seeds can give."""

    @property
    def has_no_width(self) -> bool:
        """Whether no arm varies at all, which says nothing about seeds that were not trained."""
        return self.ci_low == self.ci_high

    @property
    def seen(self) -> str:
        """`differs` where the interval leaves out 0, else `no difference seen`; never that there is none."""
        if np.isnan(self.difference):
            return "nothing to compare"
        if np.isnan(self.ci_low):
            return "no interval from one seed"
        return "differs" if self.ci_low > 0 or self.ci_high < 0 else "no difference seen"


def compare_seeds(a: pd.Series, b: pd.Series, *, paired: bool) -> Estimate:
    """Mean of `a` less mean of `b`; Welch's interval, or that of the differences where row i of both is one pair."""
    x, y = a.to_numpy(), b.to_numpy()
    difference = float(x.mean() - y.mean())
    if min(len(x), len(y)) < 2:
        return Estimate(difference, np.nan, np.nan)
    if paired:
        against_zero = seeds_against(pd.Series(x - y), 0.0)
        low, high = against_zero.ci_low, against_zero.ci_high
        n_permutations = 2 ** len(x)
    else:
        low, high = _welch(x, y)
        n_permutations = comb(len(x) + len(y), len(x))
    p = _permutation_p(x, y, paired=paired) if n_permutations <= EXACT_UP_TO else np.nan
    return Estimate(difference, low, high, p, min(1.0, 2 / n_permutations))


def seeds_against(values: pd.Series, number: float) -> Estimate:
    """Mean of `values` less a number, with Student's interval; nothing is permuted."""
    x = values.to_numpy() - number
    mean = float(x.mean())
    if len(x) < 2:
        return Estimate(mean, np.nan, np.nan)
    if np.ptp(x) < SAME:
        return Estimate(mean, mean, mean)
    interval = stats.ttest_1samp(x, 0.0).confidence_interval(CONFIDENCE)
    return Estimate(mean, float(interval.low), float(interval.high))


def _welch(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    if max(np.ptp(x), np.ptp(y)) < SAME:
        difference = float(x.mean() - y.mean())
        return difference, difference
    arms = CompareMeans(DescrStatsW(x), DescrStatsW(y))
    low, high = arms.tconfint_diff(alpha=1 - CONFIDENCE, usevar="unequal")
    return float(low), float(high)


def _permutation_p(x: np.ndarray, y: np.ndarray, *, paired: bool) -> float:
    def difference(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
        return np.mean(first, axis=axis) - np.mean(second, axis=axis)

    kind = "samples" if paired else "independent"
    tested = stats.permutation_test((x, y), difference, permutation_type=kind, n_resamples=np.inf, vectorized=True)
    return float(tested.pvalue)
