"""The numbers behind the answer, and what else the tables say: all of that exploratory."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from headreuse.correlation.estimate import ALPHA
from headreuse.correlation.panels import sign_of_reuse
from headreuse.correlation.table import CONTRAST
from headreuse.correlation.verdict import FOUND, NOT_TESTABLE, RETIMED
from headreuse.correlation.wording import counted
from headreuse.report.caveats import COUPLING
from headreuse.report.findings import (
    Entry,
    Finding,
    is_of,
    measures_of,
    negative_controls,
    primary_finding,
    published_finding,
    verdicts,
)
from headreuse.report.inputs import ReportInputs
from headreuse.report.reversals import reversals
from headreuse.report.verdicts import short
from headreuse.report.wording import listed, signed

PARTS = {
    "step_adjusted": "at the same step",
    "aligned": "at the same progress",
    "conditional": "given both tasks' accuracies",
    RETIMED: "without what is left of each run's own timing",
}
"""The tests that a verdict rests on, in words."""
MAX_NAMED = 3


def evidence(inputs: ReportInputs) -> list[str]:
    """Numbers of the primary question, then the published measure, controls, everything else and what misleads."""
    primary, published = primary_finding(inputs), published_finding(inputs)
    found = [_numbers(primary)] if primary else []
    if published:
        found.append(f"Exploratory, with the published measure: {_exploratory(published, inputs)}")
    controls = _controls(inputs, primary) if primary else []
    rows = inputs.correlation
    return [*found, *_contrasted(inputs), *controls, *_family(rows), *reversals(inputs), *_over_groups(inputs)]


def _numbers(finding: Finding) -> str:
    """The correlations and p of the primary question."""
    towards = "negative" if _sign(finding.row) < 0 else "positive"
    if np.isnan(finding.value("step_adjusted")) and np.isfinite(finding.own):
        return _numbers_of_trend(finding, towards)
    parts = listed([_part(finding, name, words) for name, words in PARTS.items() if name in finding.parts])
    together = "" if finding.verdict == NOT_TESTABLE else f"; for all together p = {_p(finding.row)}"
    points = counted(finding.n_points, "usable checkpoint")
    runs = f"{counted(finding.n_runs, 'run')} and {points} in {finding.row['group']}"
    mechanical = f" {COUPLING}" if finding.is_published else ""
    return (
        f"In numbers: the correlation of {measures_of(finding.row)}, where {towards} is what reuse predicts, is "
        f"{parts}{together}. Each is the median over runs ({runs}).{mechanical}"
    )


def _numbers_of_trend(finding: Finding, towards: str) -> str:
    """Where runs have nothing but their trend, as one alone has."""
    assert finding.within is not None
    n_runs, n_points = (int(finding.within[name]) for name in ("n_runs", "n_points"))
    return (
        f"In numbers: within a run, the trend of training included, the correlation of {measures_of(finding.row)}, "
        f"where {towards} is what reuse predicts, is {signed(finding.own)} ({counted(n_runs, 'run')} and "
        f"{counted(n_points, 'usable checkpoint')} in {finding.row['group']}). That describes and is not tested."
    )


def _part(finding: Finding, name: str, words: str) -> str:
    value, p = finding.value(name), finding.p(name)
    if np.isnan(value):
        return f"not defined {words}"
    return f"{signed(value)} {words}" + ("" if np.isnan(p) else f" (p = {p:.2g})")


def _exploratory(finding: Finding, inputs: ReportInputs) -> str:
    """A verdict with its numbers, and that the published difference is coupled with the gap."""
    row, value = finding.row, finding.value("step_adjusted")
    numbers = [f"correlation {signed(value)} at the same step"] if np.isfinite(value) else []
    if np.isfinite(float(row["p"])):
        numbers += [f"p = {_p(row)} for all tests", f"q = {float(row['q']):.2g}"]
    told = f" ({', '.join(numbers)})" if numbers else ""
    return f"{measures_of(finding.row)}, {row['group']}: {short(finding, inputs)}{told}." + (
        f" {COUPLING}" if finding.is_published else ""
    )


def _p(row: Entry) -> str:
    return f"{float(row['p']):.2g}"


def _sign(row: Entry) -> int:
    return sign_of_reuse(str(row["overlap_metric"]), str(row["transfer_metric"]))


def _contrasted(inputs: ReportInputs) -> list[str]:
    """Related groups against controls, of the primary measures, where the study has both."""
    present = {entry.kind for entry in inputs.study.groups if entry.auxiliary}
    if missing := [kind for kind in ("related", "control") if kind not in present]:
        return [f"There is no {' and no '.join(missing)} group with an auxiliary, so the two kinds cannot be compared."]
    row = next((row for row in _asked(inputs, "related_minus_control") if row["group"] == CONTRAST), None)
    if row is None or np.isnan(row["value"]):
        return [
            "Related groups cannot be compared with controls: too few runs have a correlation at the same progress."
        ]
    closer = "more" if row["value"] * _sign(row) > 0 else "less"
    finding = f"At the same progress, sharing goes with transfer {closer} closely in related groups than in controls"
    shift = f"related minus control {signed(row['value'])}"
    if not np.isfinite([row["ci_low"], row["ci_high"]]).all():
        return [f"{finding} ({shift}); that describes these runs and is not tested."]
    ends = f"{shift}, 95\N{NO-BREAK SPACE}% interval {signed(row['ci_low'])} to {signed(row['ci_high'])}"
    if row["ci_low"] <= 0 <= row["ci_high"]:
        return [f"{finding} ({ends}), but these runs do not settle whether the two kinds differ."]
    return [f"{finding} ({ends}): these groups differ; other groups may not."]


def _asked(inputs: ReportInputs, statistic: str) -> Iterator[Entry]:
    """The rows of a statistic that are of the primary measures."""
    rows = inputs.correlation
    chosen = rows[rows["statistic"] == statistic] if len(rows) else rows
    return (row for row in chosen.to_dict("records") if is_of(row, inputs.study.question))


def _family(rows: pd.DataFrame) -> list[str]:
    """How many of the exploratory verdicts are found, with one correction for the whole report."""
    tested = verdicts(rows)
    tested = tested[tested["q"].notna()] if len(tested) else tested
    if not len(tested):
        return []
    found = tested[(tested["q"] <= ALPHA) & (tested["verdict"] == FOUND)].to_dict("records")
    reuse = sum(row["direction"] == "reuse" for row in found)
    named = [f"{measures_of(row)} in {row['group']}" for row in found]
    names = f": {listed(named)}" if len(named) <= MAX_NAMED else ""
    counts = f" ({reuse} as reuse predicts, {len(found) - reuse} the opposite{names})" if found else ""
    have = f"{len(found) or 'none'} {'has' if len(found) < 2 else 'have'}"
    return [
        f"Everything else is exploratory: of {counted(len(tested), 'further verdict')}, all corrected together, {have} "
        f"q ≤ 5\N{NO-BREAK SPACE}%{counts}."
    ]


def _controls(inputs: ReportInputs, primary: Finding) -> list[str]:
    """Whether what holds no head passes the first two tests in the same runs."""
    found = [
        finding
        for finding in negative_controls(inputs, transfer=str(primary.row["transfer_metric"]))
        if finding.row["group"] == primary.row["group"] and np.isfinite(finding.p("step_adjusted"))
    ]
    if not found:
        return []
    names = listed([str(finding.row["overlap_metric"]).replace("_", " ") for finding in found])
    parts = [_passing(found, name, PARTS[name]) for name in ("step_adjusted", "aligned")]
    return [f"Negative controls: of what holds no head ({names}), {listed(parts)}."]


def _passing(found: list[Finding], name: str, words: str) -> str:
    passing = [str(finding.row["overlap_metric"]).replace("_", " ") for finding in found if finding.p(name) <= ALPHA]
    verb = "goes" if len(passing) < 2 else "go"
    return f"{listed(passing) or 'none'} {verb} with transfer {words}"


def _over_groups(inputs: ReportInputs) -> list[str]:
    """Whether groups that share more heads end with more transfer, where there are enough groups to test it."""
    return [
        f"Over {int(row['n_points'])} groups, each group one point, the rank correlation of {measures_of(row)} at the "
        f"end is {signed(row['value'])} (p = {_p(row)} by permuting groups, q = {float(row['q']):.2g})."
        for row in _asked(inputs, "between_group")
        if np.isfinite(row["p"])
    ]
