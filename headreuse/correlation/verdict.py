"""Does transfer go with overlap beyond how far each seed has learned? Four verdicts from tests that must all agree.

At the same step alone, seeds that learn faster look as if they re-used more. At the same progress a common clock is
out; given the accuracies also what both measures take from them (the published ablation-map difference and the gap
both contain main's accuracy). Each test is fooled by something that another is not
(`analyses/benchmarks/calibration.py`), so that p is the largest of theirs (intersection–union test: Berger 1982).
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from headreuse.correlation.estimate import ALPHA, Estimate

PARTS = ("step_adjusted", "aligned", "conditional")
"""The tests that must agree, by the names of their statistics."""
NAME = "beyond_progress"
RETIMED, RETIMED_FROM = "retimed", 8
"""One more test that must agree, and the runs from which on. The error with which a clock is read is common to both
series of a run: 12 runs would find it in 10 % of studies, 6 find it in 3 %, and would lose a tenth of their power."""

FOUND, PROGRESS, NOT_FOUND, NOT_TESTABLE = "beyond progress", "progress", "not found", "not testable"

Sign = Literal[-1, 1]


def verdict(parts: Mapping[str, Estimate], sign_of_reuse: Sign) -> Estimate:
    """The row `beyond_progress`: value, p, runs and points are those of the weakest of the tests.

    Verdicts: `beyond progress` where all agree in sign and in p ≤ 5 %; `progress` where only the seeds' own
    speed of learning explains it, that is where seeds go together at the same step and the others do not agree;
    `not found`; `not testable`. `direction` says whether the sign is that of `reuse` or `opposite`; under `progress`
    and where nothing can be tested that of the correlation at the same step.
    """
    chosen = [parts[name] for name in PARTS]
    if chosen[0].n_runs >= RETIMED_FROM:
        chosen.append(parts[RETIMED])
    if lacking := [part for part in chosen if np.isnan(part.p)]:
        seen = _direction(parts["step_adjusted"].value, sign_of_reuse)
        runs = lacking[0].n_runs
        return Estimate(NAME, np.nan, n_runs=runs, verdict=NOT_TESTABLE, direction=seen, note=_why(lacking[0]))
    weakest = max(chosen, key=lambda part: part.p)
    agree = len({bool(part.value > 0) for part in chosen}) == 1
    p = weakest.p if agree else 1.0
    found = FOUND if p <= ALPHA else PROGRESS if parts["step_adjusted"].p <= ALPHA else NOT_FOUND
    return Estimate(
        NAME,
        weakest.value,
        p=p,
        test=f"the largest p of {len(chosen)} tests" if agree else f"{len(chosen)} tests that differ in sign",
        n_runs=weakest.n_runs,
        n_points=weakest.n_points,
        verdict=found,
        direction=_direction((parts["step_adjusted"] if found == PROGRESS else weakest).value, sign_of_reuse),
        note=f"the weakest is {weakest.statistic}",
    )


def _why(part: Estimate) -> str:
    return f"{part.statistic}: {part.note or 'no p'}"


def _direction(value: float, sign_of_reuse: Sign) -> str:
    if np.isnan(value) or value == 0:
        return ""
    return "reuse" if value * sign_of_reuse > 0 else "opposite"
