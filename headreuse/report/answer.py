"""What was asked and what the numbers say, in plain sentences that claim no more than the numbers show."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from headreuse.report.evidence import evidence
from headreuse.report.findings import primary_finding
from headreuse.report.inputs import ReportInputs
from headreuse.report.verdicts import told
from headreuse.report.wording import listed, percent
from headreuse.study.config import Group, Study

MAX_GROUPS_NAMED = 3
"""With more groups of one kind, the answer gives their median and range."""
KINDS = ("related", "control", "alone")


def asked(study: Study) -> list[str]:
    """The question, then one sentence for each group."""
    question = (
        "A main task is trained on short inputs, together with an auxiliary task that is trained on longer ones. Does "
        "the main task get more of the long inputs right where the two tasks use the same attention heads? Models of a "
        "group that differ only in their random start are called seeds."
    )
    return [question, *(_described(group) for group in study.groups)]


def answer(inputs: ReportInputs) -> list[str]:
    """The verdict on the study's question, what it leaves open, and how far main extrapolates; then the numbers.

    Whoever reads the question and the first three lines alone needs no statistics.
    """
    verdict = told(primary_finding(inputs), inputs)
    return [*verdict, _transfer_sentence(inputs), *evidence(inputs)]


def _described(group: Group) -> str:
    auxiliary = listed([f"{entry.task} (to {entry.max_length})" for entry in group.auxiliary]) or "nothing else"
    main = f"{group.main.task} (trained to length {group.main.max_length})"
    return f"Group {group.name} ({group.kind}): {main} with {auxiliary}."


def _transfer_sentence(inputs: ReportInputs) -> str:
    parts = []
    for kind in KINDS:
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
