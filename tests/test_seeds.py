"""The median over seeds and its interval: by hand, and as scipy's test of a quantile has it.

Covers `tables/seeds.py`.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from headreuse.tables.seeds import confidence, over_seeds, rank_of_end


def table_of(values, **columns):
    return pd.DataFrame({"group": "g", "step": 10, "seed": range(len(values)), "gap": values} | columns)


def test_each_seed_is_one_observation_and_few_have_no_interval():
    rows = [("g", 10, seed, value) for seed, value in [(0, 0.2), (0, 0.4), (1, 0.5), (2, 0.9), (3, np.nan)]]
    table = pd.DataFrame(rows, columns=["group", "step", "seed", "gap"])
    (row,) = over_seeds(table, by=["group", "step"], values=["gap"]).to_dict("records")
    assert (row["median"], row["n_seeds"], row["low"], row["high"]) == pytest.approx((0.5, 3, 0.3, 0.9))
    assert np.isnan([row["ci_low"], row["ci_high"], row["confidence"]]).all()


def test_ends_of_the_interval_by_hand():
    # All of n seeds lie on one side of the median with probability 2 / 2ⁿ, all but one with 2n / 2ⁿ more.
    assert [rank_of_end(n) for n in range(1, 13)] == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3]
    assert [confidence(n) for n in (5, 6, 8)] == pytest.approx([1 - 2 / 32, 1 - 2 / 64, 1 - 18 / 256])
    assert np.isnan(confidence(4))


@pytest.mark.parametrize("n_seeds", [5, 8, 11])
def test_the_interval_is_that_of_scipys_test_of_the_median(n_seeds):
    values = np.random.default_rng(n_seeds).permutation(n_seeds) ** 2.0
    tables = [table_of(values), table_of(values + 100, group="other")]
    found = over_seeds(pd.concat(tables), by=["group"], values=["gap"]).set_index("group")
    judge = stats.quantile_test(values, q=0, p=0.5).confidence_interval(confidence(n_seeds) - 1e-9)
    assert (judge.low, judge.high) == tuple(found.loc["g", ["ci_low", "ci_high"]])
    assert tuple(found.loc["other", ["ci_low", "ci_high"]]) == (judge.low + 100, judge.high + 100)
    assert found["confidence"].tolist() == [confidence(n_seeds)] * 2


def test_seeds_in_two_heaps_are_enclosed_as_often_as_promised():
    """Student's interval of 5 such seeds encloses their mean in 76 % of studies."""
    generator, n_studies = np.random.default_rng(0), 4_000
    learned = generator.random(n_studies * 5) < 0.2
    values = np.where(learned, 0.9, 0.1) + generator.normal(0, 0.01, n_studies * 5)
    table = table_of(values, group=np.repeat(np.arange(n_studies), 5), seed=np.tile(np.arange(5), n_studies))
    found = over_seeds(table, by=["group"], values=["gap"])
    median = 0.1 + 0.01 * stats.norm.ppf(0.5 / 0.8)
    held = (found["ci_low"] <= median) & (median <= found["ci_high"])
    assert held.mean() == pytest.approx(confidence(5), abs=0.015)
