"""What is found in a figure, in one sentence that stands as its title: of a group, or of all groups."""

from statistics import median

import pandas as pd

from headreuse.figures import Beside
from headreuse.report.answer import at_the_end
from headreuse.report.findings import primary_finding
from headreuse.report.inputs import ReportInputs
from headreuse.report.pairs import heads_in_common, mean_overlap, overlap_at_the_end, pairs_of
from headreuse.report.verdicts import short
from headreuse.report.wording import listed, percent, signed
from headreuse.report.words import run_word
from headreuse.study.group import Group

MOST_PARTS = 4
"""Groups or auxiliaries that one title names."""
REGIMES = {
    "accuracy_in_distribution": "at its training lengths",
    "accuracy_transfer": "in the transfer range",
    "accuracy_beyond": "beyond",
}


def reach(inputs: ReportInputs, group: Group) -> str:
    """How much of the transfer range main gets right; the mean over runs, as in the answer."""
    values = at_the_end(inputs, group, "accuracy_transfer")
    if not values.size:
        return ""
    lengths = f"lengths {group.main.max_length + 1} to {group.transfer_to}"
    return f"{group.main.task} is right on {percent(values.mean())} of the prompts of {lengths}"


def reaches(inputs: ReportInputs) -> str:
    """The same of every group side by side, where there are few."""
    found = {group.name: at_the_end(inputs, group, "accuracy_transfer") for group in inputs.study.groups}
    parts = [f"{percent(values.mean())} in {name}" for name, values in found.items() if values.size]
    if not 0 < len(parts) <= MOST_PARTS:
        return ""
    return f"In the transfer range main is right on {listed(parts)}"


def kept(inputs: ReportInputs, group: Group) -> str:
    """Main's accuracy in each regime of lengths; means over runs."""
    found = {words: at_the_end(inputs, group, column) for column, words in REGIMES.items()}
    parts = [f"{percent(values.mean())} {words}" for words, values in found.items() if values.size]
    return f"In the end {group.main.task} is right on {listed(parts)}" if parts else ""


def top_heads(inputs: ReportInputs, group: Group) -> str:
    """How many of its top heads main shares with each auxiliary; the median over runs."""
    k, parts = inputs.study.measures.top_k, []
    for pair in pairs_of(inputs, group):
        counts = [len(heads) for heads in heads_in_common(inputs, pair).values()]
        if counts:
            parts.append(f"{median(counts):g} with {pair.other}")
    if not 0 < len(parts) <= MOST_PARTS:
        return ""
    return f"Of its {k} top heads {group.main.task} shares {listed(parts)}"


def alike(inputs: ReportInputs, group: Group) -> str:
    """The overlap that the study asks about, at the end; the median over runs."""
    last = overlap_at_the_end(inputs, group)
    if not len(last):
        return ""
    n, floor = len(last), last["noise_floor"].median()
    runs = f", the median of {n} {run_word(inputs.study)}s" if n > 1 else ""
    beside = f"; sampling noise alone would give {signed(floor)}" if pd.notna(floor) else ""
    what = str(inputs.study.question.overlap).replace("_", " ")
    return f"{group.main.task} and its auxiliaries: a {what} of {signed(last['overlap'].median())}{runs}{beside}"


def changes(inputs: ReportInputs, group: Group, beside: Beside) -> str:
    """Overlap, and the one measure beside it, at the first and the last usable checkpoint; medians over runs."""
    means = mean_overlap(inputs, group).sort_values("step", kind="stable")
    by_run = means.groupby("seed", sort=False)
    ends = [by_run.head(1), by_run.tail(1)]
    if not len(means) or (ends[0]["step"].to_numpy() == ends[1]["step"].to_numpy()).all():
        return ""
    moved = [f"overlap goes from {_medians(ends, 'overlap')}"]
    if len(beside.lines) == 1:
        (name,) = beside.lines
        values = [end.merge(beside.rows, on=["seed", "step"]) for end in ends]
        if all(rows[name].notna().any() for rows in values):
            moved.append(f"the {beside.title} from {_medians(values, name)}")
    return f"From the first usable checkpoint to the last, {listed(moved)}"


def _medians(ends: list[pd.DataFrame], column: str) -> str:
    first, last = (signed(float(rows[column].median())) for rows in ends)
    return f"{first} to {last}"


def relation(inputs: ReportInputs) -> str:
    """The answer to the study's question, in short."""
    finding = primary_finding(inputs)
    if finding is None:
        return ""
    said = short(finding, inputs)
    return said[0].upper() + said[1:]
