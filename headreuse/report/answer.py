"""What the numbers say, in plain sentences that claim no more than the numbers show."""

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float

from headreuse.report.arms import arm_name, cause, evidence_of_cause
from headreuse.report.evidence import evidence
from headreuse.report.findings import primary_finding
from headreuse.report.inputs import ReportInputs
from headreuse.report.likeness import likeness
from headreuse.report.verdicts import told
from headreuse.report.wording import listed, percent
from headreuse.report.words import is_given, measured_words, run_word
from headreuse.study.group import Group
from headreuse.study.transfer_rows import OF_ACCURACY, OWN_COLUMNS

MAX_GROUPS_NAMED = 3
"""With more groups of one kind, the answer gives their median and range."""
KINDS = ("related", "control", "alone")


def answer(inputs: ReportInputs) -> list[str]:
    """What sharing does where it was set; the verdict on the study's question, what it leaves open, and how far main
    extrapolates; then the numbers.

    Without any transfer it is how alike the tasks' heads are. Whoever reads the question and the first three lines
    alone needs no statistics.
    """
    if inputs.study.question.transfer is None:
        return likeness(inputs) or ["This study cannot say: no two tasks have been measured at any checkpoint."]
    verdict = told(primary_finding(inputs), inputs)
    return [
        *cause(inputs),
        *verdict,
        *_transfer_sentences(inputs),
        *likeness(inputs),
        *evidence_of_cause(inputs),
        *evidence(inputs),
    ]


def _transfer_sentences(inputs: ReportInputs) -> Iterator[str]:
    """The transfer at the end: as it was measured elsewhere, and by length."""
    transfer = inputs.study.question.transfer
    if transfer is not None and transfer not in OF_ACCURACY:
        yield _measured_sentence(inputs, transfer)
    if any(group.has_lengths for group in inputs.study.groups):
        yield _by_length_sentence(inputs)


def _measured_sentence(inputs: ReportInputs, transfer: str) -> str:
    parts = []
    for group in inputs.study.groups:
        values = at_the_end(inputs, group, transfer)
        spread = f" (mean of {values.size} {run_word(inputs.study)}s, {values.min():.3g} to {values.max():.3g})"
        if values.size:
            parts.append(f"{values.mean():.3g} in {group.name}{spread if values.size > 1 else ''}")
    what = measured_words(inputs.study, transfer)
    more = ", …" if len(parts) > MAX_GROUPS_NAMED else ""
    if not parts:
        return f"No checkpoint has a {what}."
    return f"At the last checkpoints that have it, the {what} is {listed(parts[:MAX_GROUPS_NAMED])}{more}."


def _by_length_sentence(inputs: ReportInputs) -> str:
    parts = []
    for kind in KINDS:
        values = {
            group.name: at_the_end(inputs, group, "accuracy_transfer")
            for group in inputs.study.groups
            if group.kind == kind and group.has_lengths
        }
        if len(values) > MAX_GROUPS_NAMED:
            parts.append(_many_groups(values, kind))
        else:
            parts += [_one_group(inputs.study.group(name), found) for name, found in values.items()]
    end = "end of training" if all(group.source is None for group in inputs.study.groups) else "last checkpoints"
    return f"At the {end}, {'; '.join(parts)}."


def at_the_end(inputs: ReportInputs, group: Group, column: str) -> Float[np.ndarray, "seed"]:
    """A column of the transfer table at each run's last step, where it is defined.

    What was measured elsewhere is taken at the last step that has it.
    """
    rows = inputs.of_group("transfer", group)
    if column not in OWN_COLUMNS:
        rows = rows[rows[column].notna()] if column in rows else rows.iloc[:0]
    if not len(rows):
        return np.empty(0)
    last = rows.loc[rows.groupby("seed")["step"].idxmax(), column].to_numpy(float)
    return last[np.isfinite(last)]


def _one_group(group: Group, values: Float[np.ndarray, "seed"]) -> str:
    others = listed([entry.task for entry in group.auxiliary]) or "nothing else"
    trained = "" if is_given(group) else "trained "
    who = f"{group.main.task} {trained}with {others}" + _kind(group)
    if group.transfer_to <= group.main.max_length:
        return f"{who} has no auxiliary with longer inputs, so there is nothing to transfer"
    lengths = f"lengths {group.main.max_length + 1} to {group.transfer_to}"
    if not values.size:
        return f"{who} has not been measured at {lengths}"
    spread = f"mean of {values.size} seeds, {percent(values.min())} to {percent(values.max())}"
    seeds = spread if values.size > 1 else "one seed"
    return f"{who} is right on {percent(values.mean())} of the prompts of {lengths} ({seeds})"


def _kind(group: Group) -> str:
    masked = f", {arm_name(group)}" if group.heads else ""
    return f" ({group.kind}{masked})" if group.auxiliary else ""


def _many_groups(values: Mapping[str, Float[np.ndarray, "seed"]], kind: str) -> str:
    means = np.array([found.mean() for found in values.values() if found.size])
    if not means.size:
        return f"none of the {len(values)} {kind} groups has been measured beyond main's training lengths"
    middle, ends = percent(float(np.median(means))), f"{percent(means.min())} to {percent(means.max())}"
    return (
        f"main is right on {middle} of the prompts of its transfer range, beyond its training lengths, in the median "
        f"of {means.size} {kind} groups ({ends})"
    )
