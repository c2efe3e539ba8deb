"""What can be found: simulated studies are what they say, and many at once have the verdicts of one by one.

Covers `correlation/simulated.py`.
"""

import numpy as np
import pytest
from checkpoint_series import panel
from scipy import stats

from headreuse.correlation import clock, crossings, power
from headreuse.correlation.across import together
from headreuse.correlation.paired import deviations
from headreuse.correlation.panels import Panel
from headreuse.correlation.power import can_test, is_found, share_found
from headreuse.correlation.simulated import Design, Learning, Studies, simulated
from headreuse.correlation.table import verdict_of
from headreuse.correlation.verdict import FOUND, PARTS, RETIMED, verdict


def panel_of(studies: Studies, study: int, name: str = "g") -> Panel:
    """One study as the panel of the tables, of a distance and the gap, so that reuse is a positive correlation."""
    main, auxiliary = np.moveaxis(studies.accuracies[study], -1, 0)
    overlap, transfer = (
        np.concatenate([np.full((len(main), studies.n_early), np.nan), series[study]], axis=1)
        for series in (studies.overlap, studies.transfer)
    )
    whole = panel(overlap, transfer, main=main, auxiliary=auxiliary, name=name, metric="ablation_map_difference")
    usable = slice(studies.n_early, None)
    changed = {"overlap": overlap[:, usable], "transfer": transfer[:, usable], "baselines": whole.baselines[:, usable]}
    return Panel(**vars(whole) | changed | {"steps": studies.steps[usable], "all_steps": studies.steps})


@pytest.mark.parametrize(("n_runs", "effect"), [(5, 0.85), (8, 0.35)])
def test_many_studies_at_once_have_the_verdicts_that_they_have_one_by_one(n_runs, effect):
    studies = simulated(8, Design(n_runs, 14), effect, np.random.default_rng(n_runs), Learning())
    rows = [verdict_of(panel_of(studies, study)) for study in range(8)]
    one_by_one = [row.verdict == FOUND and row.direction == "reuse" for row in rows]
    assert is_found([studies]).tolist() == one_by_one
    assert 0 < sum(one_by_one) < 8


def test_several_groups_have_the_verdict_of_their_runs_together():
    generator = np.random.default_rng(0)
    groups = [simulated(8, Design(4, 12, n_groups=2), 0.65, generator, Learning()) for _ in range(2)]
    expected = []
    for study in range(8):
        found = [panel_of(studies, study, name) for name, studies in zip("ab", groups, strict=True)]
        row = verdict({part: together(found, {}, part) for part in (*PARTS, RETIMED)}, 1)
        expected.append(row.verdict == FOUND and row.direction == "reuse")
    assert is_found(groups).tolist() == expected
    assert 0 < sum(expected) < 8


def test_simulated_studies_have_the_clock_the_relation_and_the_memory_that_were_asked_for():
    studies = simulated(40, Design(6, 40, denser=2), 0.6, np.random.default_rng(1), Learning(clock=0.2, trend=0))
    assert studies.steps[:3].tolist() == [360, 720, 1080]
    r = stats.pearsonr(studies.overlap, studies.transfer, axis=-1).statistic
    assert r.mean() == pytest.approx(0.6, abs=0.05)
    again = stats.pearsonr(studies.overlap[..., 1:], studies.overlap[..., :-1], axis=-1).statistic
    assert again.mean() == pytest.approx(np.sqrt(0.5), abs=0.12)
    spreads = [clock(crossings(main, studies.steps)).spread for main in studies.accuracies[..., 0]]
    assert np.mean(spreads) == pytest.approx(0.2, abs=0.03)


def test_a_clock_alone_is_rarely_found_where_the_test_at_the_same_step_finds_it_often():
    learning = Learning(clock=0.25, trend=6)
    studies = simulated(100, Design(6, 12), 0.0, np.random.default_rng(2), learning)
    assert is_found([studies]).mean() <= 0.05
    x, y = (deviations(series).reshape(100, -1) for series in (studies.overlap, studies.transfer))
    naive = stats.pearsonr(x, y, axis=-1)
    assert (naive.pvalue <= 0.05).mean() > 0.7


def test_power_rises_with_the_effect_the_seeds_and_the_groups():
    generator = np.random.default_rng(3)

    def share(design: Design, effect: float) -> float:
        return share_found(design, effect, generator, n_simulations=40)

    base = share(Design(6, 10), 0.5)
    assert share(Design(6, 10), 0.9) > base + 0.2
    assert share(Design(12, 10), 0.5) > base + 0.1
    assert share(Design(6, 10, n_groups=2), 0.5) > base + 0.1
    assert share(Design(3, 10), 0.9) == share(Design(6, 3), 0.9) == 0
    assert can_test(Design(3, 4, n_groups=2))
    assert not can_test(Design(3, 4))


def test_power_in_words():
    generator = np.random.default_rng(0)
    assert "3 runs describe and cannot test: it takes 4 seeds" in str(power(3, 15, generator))
    some = power(6, 10, generator, n_simulations=30)
    assert f"{some.detectable:.2f} or more is found in 80%" in str(some)
    more = power(12, 20, generator, n_simulations=30)
    assert more.detectable < some.detectable
    assert "even a strong relation is missed" in str(power(4, 4, generator, n_simulations=10))


def test_two_groups_of_three_can_be_tested_together_and_one_cannot():
    few = {"n_simulations": 20}
    alone, both = (power(3, 20, np.random.default_rng(1), n_groups=n, **few) for n in (1, 2))
    assert (alone.has_runs_enough, both.has_runs_enough) == (False, True)
    assert str(both).startswith("With 3 runs in each of 2 groups and 20 usable checkpoints each")
