"""What could a study of this size have found? By simulation, few enough that a report does not wait for it."""

from functools import lru_cache

import numpy as np

from headreuse.correlation import Power, panels, power, smallest_p
from headreuse.correlation.estimate import ALPHA
from headreuse.correlation.panels import MEASURE_COLUMNS
from headreuse.correlation.power import TARGET
from headreuse.correlation.primary import ALL_RELATED, CHOSEN, chosen_groups
from headreuse.report.findings import Finding, is_of
from headreuse.report.inputs import ReportInputs
from headreuse.report.words import words_of
from headreuse.study.streams import Stream

N_SIMULATIONS = 100
ERROR = 0.04
"""Standard error of a share of 80 % of so many."""
MODERATE, STRONG = 0.5, 0.7
"""The largest correlations that are called so."""


def seeds_to_test() -> int:
    """The smallest number of seeds of one group with which the tests can reach 5 %."""
    return next(n for n in range(2, 20) if smallest_p(n) <= ALPHA)


SEEDS_TO_TEST = seeds_to_test()
TO_TEST = f"{SEEDS_TO_TEST} {{run}}s of a group, or several groups with 3 each"
"""What a test takes, in `Words`."""


@lru_cache
def findable(n_runs: int, n_steps: int, seed: int, n_groups: int = 1) -> Power:
    """The smallest correlation that is found in most studies of groups with so many runs each."""
    return power(n_runs, n_steps, Stream.POWER.generator(seed), n_groups=n_groups, n_simulations=N_SIMULATIONS)


def findable_by(finding: Finding, inputs: ReportInputs) -> Power:
    """What such a test finds; where several groups count together, as if each had the same number of runs."""
    several = finding.row["group"] in (ALL_RELATED, CHOSEN)
    n_groups = len(chosen_groups(inputs.study.question, inputs.study.groups)) if several else 1
    n_steps = finding.n_points // max(finding.n_runs, 1)
    return findable(finding.n_runs // n_groups, n_steps, inputs.study.data_seed, n_groups)


def in_words(found: Power, run: str = "seed") -> str:
    """What a study of this size finds, without numbers."""
    if not found.has_runs_enough:
        return f"no relation, however strong, could have been found with fewer than {SEEDS_TO_TEST} {run}s"
    if np.isnan(found.detectable):
        return "a study of this size often misses even a very strong one"
    size = "moderate" if found.detectable <= MODERATE else "strong" if found.detectable <= STRONG else "very strong"
    return f"a study of this size finds a {size} one in about four of five cases, and misses weaker ones more often"


def limits_of_power(inputs: ReportInputs) -> list[str]:
    """What could have been found in the group with the most runs; empty where no group has any."""
    if not (len(inputs.overlap) and len(inputs.transfer)):
        return []
    question = inputs.study.question
    overlap = inputs.overlap[inputs.overlap["metric"] == question.overlap]
    found = [
        panel
        for panel in panels(overlap, inputs.transfer, inputs.study.groups)
        if is_of(dict(zip(MEASURE_COLUMNS, panel.measure, strict=True)), question) and len(panel.seeds)
    ]
    if not found:
        return []
    largest = max(found, key=lambda panel: (len(panel.seeds), int(panel.present.sum())))
    n_runs, n_steps = len(largest.seeds), int(np.median(largest.present.sum(axis=1)))
    if n_runs < SEEDS_TO_TEST:
        few = f"{{run}}{' describes' if n_runs == 1 else 's describe'} and cannot test; it takes {TO_TEST}."
        return [f"Power, in {largest.group} alone: {n_runs} {words_of(inputs.study, question.transfer)(few)}"]
    said = findable(n_runs, n_steps, inputs.study.data_seed)
    return [f"Power, in {largest.group} alone: {said} (By simulation; the {TARGET:.0%} are known to ± {ERROR:.0%}.)"]
