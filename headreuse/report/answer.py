"""What was asked and what the numbers say, in plain sentences that claim no more than the numbers show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from headreuse.correlation.wording import counted
from headreuse.report.inputs import ReportInputs
from headreuse.report.wording import listed, percent, signed
from headreuse.study.config import Group, Study

HEADLINE = {"statistic": "within_run", "overlap_metric": "ablation_map_difference", "transfer_metric": "gap"}
"""The correlation that the answer reports: of the published measures, within runs."""
OUTCOME = "exact_match"
MAX_GROUPS_NAMED = 3
"""With more groups of one kind, the answer gives their median and range."""
KINDS = ("related", "control")
"""Groups with an auxiliary, whose correlations are compared."""
KINDS_AND_ALONE = (*KINDS, "alone")


def asked(study: Study) -> list[str]:
    """The question, then one sentence for each group."""
    question = (
        "Does a main task that is trained on short inputs extrapolate because of an auxiliary task that is trained on "
        "longer ones, and does it extrapolate more where the two use the same attention heads?"
    )
    return [question, *(_described(group) for group in study.groups)]


def answer(inputs: ReportInputs) -> list[str]:
    """How far main extrapolates at the end of training, and how the gap goes with overlap; related against control."""
    found = [entry for entry in _headline(inputs) if np.isfinite(entry.value)]
    return [_transfer_sentence(inputs), correlation_sentence(inputs) + _contrast(found)]


def _described(group: Group) -> str:
    auxiliary = listed([f"{entry.task} (to {entry.max_length})" for entry in group.auxiliary]) or "nothing else"
    main = f"{group.main.task} (trained to length {group.main.max_length})"
    return f"Group {group.name} ({group.kind}): {main} with {auxiliary}."


def _transfer_sentence(inputs: ReportInputs) -> str:
    parts = []
    for kind in KINDS_AND_ALONE:
        values = {group.name: _final(inputs, group) for group in inputs.study.groups if group.kind == kind}
        if len(values) > MAX_GROUPS_NAMED:
            parts.append(_many_groups(values, kind))
        else:
            parts += [_one_group(inputs.study.group(name), found) for name, found in values.items()]
    return f"At the end of training, {'; '.join(parts)}."


def _final(inputs: ReportInputs, group: Group) -> Float[np.ndarray, "seed"]:
    """Main's accuracy beyond its training lengths at each seed's last step, where it is defined."""
    rows = inputs.of_group("transfer", group)
    if not len(rows):
        return np.empty(0)
    last = rows.loc[rows.groupby("seed")["step"].idxmax(), "accuracy_transfer"].to_numpy(float)
    return last[np.isfinite(last)]


def _one_group(group: Group, values: Float[np.ndarray, "seed"]) -> str:
    others = listed([entry.task for entry in group.auxiliary]) or "nothing else"
    who = f"{group.main.task} trained with {others}" + (f" ({group.kind})" if group.auxiliary else "")
    if group.transfer_to <= group.main.max_length:
        return f"{who} has no auxiliary with longer inputs, so there is nothing to transfer"
    lengths = f"lengths {group.main.max_length + 1} to {group.transfer_to}"
    if not values.size:
        return f"{who} has not been measured at {lengths}"
    spread = f"mean of {values.size} seeds, {percent(values.min())} to {percent(values.max())}"
    seeds = spread if values.size > 1 else "one seed"
    return f"{who} is right on {percent(values.mean())} of the prompts of {lengths} ({seeds})"


def _many_groups(values: Mapping[str, Float[np.ndarray, "seed"]], kind: str) -> str:
    means = np.array([found.mean() for found in values.values() if found.size])
    if not means.size:
        return f"none of the {len(values)} {kind} groups has been measured beyond main's training lengths"
    middle, ends = percent(float(np.median(means))), f"{percent(means.min())} to {percent(means.max())}"
    return (
        f"main is right on {middle} of the prompts of its transfer range, beyond its training lengths, in the median "
        f"of {means.size} {kind} groups ({ends})"
    )


@dataclass(frozen=True)
class _Estimate:
    """The headline correlation of one group."""

    group: Group
    value: float
    low: float
    high: float
    n_runs: int
    n_points: int
    note: str

    def __str__(self) -> str:
        parts = [self.group.kind, counted(self.n_runs, "run"), counted(self.n_points, "usable checkpoint")]
        if np.isfinite([self.low, self.high]).all():
            parts.append(f"95\N{NO-BREAK SPACE}% interval over runs {signed(self.low)} to {signed(self.high)}")
        return f"{signed(self.value)} in {self.group.name} ({', '.join(parts)})"

    @property
    def why_missing(self) -> str:
        """Why it has no value, in words."""
        reason = f" ({self.note})" if self.note else ""
        return f"in {self.group.name} ({self.group.kind}) it cannot be estimated{reason}"


def correlation_sentence(inputs: ReportInputs) -> str:
    """The headline correlation of each group, with its interval over runs."""
    measures = "the generalization gap and the ablation-map difference between main and auxiliary"
    estimates = _headline(inputs)
    found = [entry for entry in estimates if np.isfinite(entry.value)]
    if not found:
        reasons = listed(list(dict.fromkeys(entry.note for entry in estimates if entry.note)))
        return f"The correlation of {measures} within a run could not be estimated{f': {reasons}' if reasons else ''}."
    if len(estimates) > 2 * MAX_GROUPS_NAMED:
        return f"Over the checkpoints of a run, the correlation of {measures} is {listed(_ranges(found))}."
    missing = "".join(f"; {entry.why_missing}" for entry in estimates if entry not in found)
    values = listed([str(entry) for entry in found])
    sign = " Positive means that the heads are more alike where the gap is smaller."
    return f"Over the checkpoints of a run, the correlation of {measures} is {values}{missing}.{sign}"


def _headline(inputs: ReportInputs) -> list[_Estimate]:
    """One for each group that has a row, in the order of the study, related groups first."""
    rows = inputs.correlation
    if not len(rows):
        return []
    keep = pd.Series(True, index=rows.index)
    for name, value in (HEADLINE | ({"outcome": OUTCOME} if "outcome" in rows else {})).items():
        keep &= rows[name] == value
    by_group = {str(row["group"]): row for _, row in rows[keep].drop_duplicates("group").iterrows()}
    groups = sorted(inputs.study.groups, key=lambda group: KINDS_AND_ALONE.index(group.kind))
    return [_estimate(group, by_group[group.name]) for group in groups if group.name in by_group]


def _estimate(group: Group, row: pd.Series) -> _Estimate:
    limits = float(row["ci_low"]), float(row["ci_high"])
    note = row.get("note")
    return _Estimate(
        group,
        float(row["value"]),
        *limits,
        int(row["n_runs"]),
        int(row["n_points"]),
        str(note) if pd.notna(note) else "",
    )


def _ranges(found: Sequence[_Estimate]) -> list[str]:
    """Median and range over the groups of each kind."""
    parts = []
    for kind in KINDS:
        values = np.array([entry.value for entry in found if entry.group.kind == kind])
        if values.size:
            middle, ends = float(np.median(values)), f"{signed(values.min())} to {signed(values.max())}"
            parts.append(f"{signed(middle)} in the median of {counted(values.size, f'{kind} group')} ({ends})")
    return parts


def _contrast(found: Sequence[_Estimate]) -> str:
    """Whether the intervals of one related and one control group overlap; nothing where that cannot be said."""
    bounds = [(entry.low, entry.high) for entry in found]
    if [entry.group.kind for entry in found] != list(KINDS) or not np.isfinite(bounds).all():
        return ""
    (related_low, related_high), (control_low, control_high) = bounds
    if related_low <= control_high and control_low <= related_high:
        return " The two intervals overlap: this study does not settle whether the groups differ in this."
    return " The two intervals do not overlap."
