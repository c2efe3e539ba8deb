"""What is typical of seeds, and how sure is that? The median over seeds, with an interval whatever their distribution.

Seeds often fall into two heaps, those that have learned something and those that have not. An interval that takes a few
such seeds for normally distributed misses in up to half of all studies. This one ends at two of the seeds themselves:
the k-th lowest and the k-th highest enclose the median with a probability that follows from k and their number alone
(David and Nagaraja 2003, Order Statistics, section 7.1). With fewer than 5 seeds even the extremes are too often on one
side of it, so that there is no interval.
"""

from collections.abc import Sequence

import pandas as pd

from headreuse.correlation import medians

LEAST_CONFIDENCE = 0.92
"""An interval over seeds encloses the median at least so often; 0.95 cannot be met closely with few seeds."""


def rank_of_end(n_seeds: int) -> int:
    """k: the interval of the median goes from the k-th lowest of the seeds to the k-th highest; 0 where it has none."""
    return medians.rank_of_end(n_seeds, confidence=LEAST_CONFIDENCE)


def confidence(n_seeds: int) -> float:
    """How often the interval of that many seeds encloses the median, where no two seeds are equal; NaN without one."""
    return medians.confidence_of(n_seeds, rank_of_end(n_seeds))


def over_seeds(table: pd.DataFrame, *, by: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    """Median of columns over seeds, with the interval that treats each seed as one observation.

    Columns: those of `by`, `measure` (one of `values`), median, low, high (the extreme seeds), n_seeds, and ci_low,
    ci_high and confidence (92 to 99 %), which are NaN with fewer than 5 seeds. Rows of one seed are averaged first.
    """
    per_seed = table.groupby([*by, "seed"], sort=False, dropna=False)[list(values)].mean()
    long = per_seed.reset_index().melt([*by, "seed"], var_name="measure", value_name="_of_seed")
    grouped = long.groupby([*by, "measure"], sort=False, dropna=False)["_of_seed"]
    n_seeds, rank = grouped.transform("count"), grouped.rank(method="first")
    k = n_seeds.map({n: rank_of_end(n) for n in n_seeds.unique()})
    ends = {"_low": long["_of_seed"].where(rank == k), "_high": long["_of_seed"].where(rank == n_seeds + 1 - k)}
    found = (
        long.assign(**ends)
        .groupby([*by, "measure"], sort=False, dropna=False)
        .agg(
            median=("_of_seed", "median"),
            low=("_of_seed", "min"),
            high=("_of_seed", "max"),
            n_seeds=("_of_seed", "count"),
            ci_low=("_low", "max"),
            ci_high=("_high", "max"),
        )
        .reset_index()
    )
    return found.assign(confidence=found["n_seeds"].map({n: confidence(n) for n in found["n_seeds"].unique()}))
