"""A verdict of the correlation table with the tests behind it: what the sentences of a report rest on."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from headreuse.correlation.panels import MEASURE_COLUMNS, NO_OVERLAP, sign_of_reuse
from headreuse.correlation.verdict import NAME, PARTS, RETIMED, RETIMED_FROM
from headreuse.report.inputs import ReportInputs
from headreuse.study.primary import Primary

Entry = Mapping[Hashable, Any]
"""A row of the correlation table."""

PUBLISHED = Primary(overlap="ablation_map_difference", outcome="exact_match", transfer="gap")
"""The published measures (Cai et al. 2025, arXiv 2506.09251)."""

WITHIN = "within_run"
CLEAR = 0.4
"""A median over runs that is closer to 0 than this is not told where nothing was tested or found."""


@dataclass(frozen=True)
class Finding:
    """What was found of one overlap and one transfer measure, in one group or in several together."""

    row: Entry
    """The row `beyond_progress`."""
    parts: Mapping[str, Entry]
    """The rows of the tests that the verdict rests on, by statistic."""
    within: Entry | None = None
    """The row of the runs' own correlations, in which the trend of training is left; it describes."""

    @property
    def verdict(self) -> str:
        """One of the four of `correlation.verdict`."""
        return str(self.row["verdict"])

    @property
    def direction(self) -> str:
        """At the same step, whether more sharing goes with more transfer (`reuse`) or less (`opposite`)."""
        value = self.value("step_adjusted")
        sign = sign_of_reuse(str(self.row["overlap_metric"]), str(self.row["transfer_metric"]))
        return "" if np.isnan(value) or value == 0 else "reuse" if value * sign > 0 else "opposite"

    @property
    def seen(self) -> str:
        """The direction, where it shows clearly in these seeds, and in all tests alike; else empty."""
        values = [value for name in self.parts if np.isfinite(value := self.value(name))]
        is_one = len({value > 0 for value in values}) == 1
        return self.direction if is_one and abs(self.value("step_adjusted")) >= CLEAR else ""

    def value(self, part: str) -> float:
        """The correlation of a part; NaN where it is not defined."""
        return float(self.parts[part]["value"])

    def p(self, part: str) -> float:
        """The p of a part; NaN where it cannot be tested."""
        return float(self.parts[part]["p"])

    @property
    def own(self) -> float:
        """The runs' own correlation, trend included; NaN where no run has one."""
        return float(self.within["value"]) if self.within is not None else np.nan

    @property
    def n_runs(self) -> int:
        """Runs with a correlation at the same step."""
        return int(self.parts["step_adjusted"]["n_runs"])

    @property
    def n_points(self) -> int:
        """Their usable checkpoints."""
        return int(self.parts["step_adjusted"]["n_points"])

    @property
    def is_published(self) -> bool:
        """Whether the overlap is the published difference of ablation maps, which contains main's accuracy."""
        return (self.row["overlap_metric"], self.row["outcome"]) == (PUBLISHED.overlap, PUBLISHED.outcome)


def measures_of(row: Entry) -> str:
    """The two measures that are correlated, in words: `cosine of log prob with the gap`."""
    metric, outcome, transfer = (
        str(row[name]).replace("_", " ") for name in ("overlap_metric", "outcome", "transfer_metric")
    )
    return f"{metric}{'' if outcome == 'pattern' else f' of {outcome}'} with the {transfer}"


def primary_finding(inputs: ReportInputs) -> Finding | None:
    """The answer to the study's question; None where the table has no row for it."""
    rows = inputs.correlation
    if "primary" not in rows:
        return None
    return next(_findings(rows[rows["primary"].astype(bool)], rows), None)


def asked_findings(inputs: ReportInputs) -> dict[str, Finding]:
    """What was found of the question's measures, by the group or the groups together that it is of."""
    rows = verdicts(inputs.correlation)
    asked = rows[[is_of(row, inputs.study.question) for row in rows.to_dict("records")]] if len(rows) else rows
    return {str(finding.row["group"]): finding for finding in _findings(asked, inputs.correlation)}


def published_finding(inputs: ReportInputs) -> Finding | None:
    """Of the published measures in the primary's groups; None where they are the primary, or not asked for."""
    primary = primary_finding(inputs)
    if primary is None or is_of(primary.row, PUBLISHED):
        return None
    rows = verdicts(inputs.correlation)
    rows = rows[rows["group"] == primary.row["group"]]
    same_method = rows["method"] == primary.row["method"]
    wanted = [is_of(row, PUBLISHED) for row in rows.to_dict("records")]
    chosen = rows[wanted].iloc[(~same_method[wanted]).argsort(kind="stable")]
    return next(_findings(chosen, inputs.correlation), None)


def negative_controls(inputs: ReportInputs, *, transfer: str) -> list[Finding]:
    """What has an accuracy or the training loss in the place of overlap, in every group and in several together."""
    rows = inputs.correlation
    if not len(rows):
        return []
    here = (rows["statistic"] == NAME) & (rows["method"] == NO_OVERLAP) & (rows["transfer_metric"] == transfer)
    return list(_findings(rows[here], rows))


def verdicts(correlation: pd.DataFrame) -> pd.DataFrame:
    """The rows `beyond_progress` of overlaps."""
    if not len(correlation):
        return correlation
    return correlation[(correlation["statistic"] == NAME) & (correlation["method"] != NO_OVERLAP)]


def is_of(row: Entry, question: Primary) -> bool:
    """Whether a row is of the measures that a question names."""
    wanted = (question.overlap, question.method, question.outcome, question.transfer)
    return all(value in (None, row[name]) for name, value in zip(MEASURE_COLUMNS, wanted, strict=True))


def _findings(chosen: pd.DataFrame, rows: pd.DataFrame) -> Iterator[Finding]:
    parts = rows[rows["statistic"].isin([*PARTS, RETIMED, WITHIN])]
    for row in chosen.to_dict("records"):
        same = np.logical_and.reduce([parts[name] == row[name] for name in ("group", *MEASURE_COLUMNS)])
        by_name = {str(part["statistic"]): part for part in parts[same].to_dict("records")}
        names = PARTS if by_name["step_adjusted"]["n_runs"] < RETIMED_FROM else (*PARTS, RETIMED)
        yield Finding(row, {name: by_name[name] for name in names}, by_name.get(WITHIN))
