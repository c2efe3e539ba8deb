"""The figures of the report, each with what to look at and its numbers below."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from headreuse import figures
from headreuse.config import Group
from headreuse.figures.measures import is_distance, with_measure
from headreuse.figures.trajectories import REGIMES, pairs_of_main
from headreuse.report.inputs import ReportInputs
from headreuse.report.tables import Table, table


@dataclass(frozen=True)
class Exhibit:
    """A figure, one sentence on what to look at, and its numbers."""

    id: str
    """Fixed, so that the same tables give the same page."""
    title: str
    look: str
    figure: go.Figure
    table: Table
    is_wide: bool = False
    """Whether it takes the whole width of a wide page."""


def accuracy(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Accuracy by length, one figure per group."""
    colours = figures.task_colours(entry.task for group in inputs.study.groups for entry in group.tasks)
    for number, group in enumerate(inputs.study.groups):
        rows = inputs.of_group("accuracy", group)
        trained = {entry.task: entry.max_length for entry in group.tasks}
        if len(rows):
            yield Exhibit(
                f"accuracy-{number}",
                _title(group),
                f"How far right of its own dotted line ({group.main.max_length}) does {group.main.task} stay up? "
                "The band is the range over seeds, or the 95 % interval of one seed.",
                figures.accuracy_curves(rows, trained=trained, colours=colours),
                table(rows, ["seed", "step", "task", "role", "length", "n", "accuracy", "ci_low", "ci_high"]),
            )


def ablation(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Head maps of main and auxiliaries side by side, one figure per group."""
    for number, group in enumerate(inputs.study.groups):
        rows = inputs.of_group("head_scores", group)
        if len(rows):
            yield Exhibit(
                f"ablation-{number}",
                _title(group),
                "Are the same cells red for main and auxiliary? Red: the outcome drops when the head is replaced by "
                "its mean; blue: it rises. One colour range for all tasks, seeds and checkpoints of an outcome.",
                figures.ablation_maps(rows, tasks=_tasks(group), baseline_floor=_floor(inputs)),
                table(rows, ["method", "outcome", "seed", "step", "task", "length", "layer", "head", "baseline",
                             "effect", "ci_low", "ci_high"]),
                is_wide=len(group.tasks) > 2,
            )  # fmt: skip


def sharing(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Task × task overlap, one figure per group."""
    for number, group in enumerate(inputs.study.groups):
        rows = inputs.of_group("overlap", group)
        rows = rows[[not is_distance(metric) for metric in rows["metric"]]] if len(rows) else rows
        if len(rows):
            yield Exhibit(
                f"sharing-{number}",
                _title(group),
                "How alike are the head maps of each two tasks, against the chance level marked on the colour bar? "
                "1 is the same heads; ○ marks a value that is not usable.",
                figures.overlap_matrices(rows, tasks=_tasks(group)),
                table(with_measure(rows), ["measure", "seed", "step", "task_a", "task_b", "length", "value", "ci_low",
                                           "ci_high", "chance", "p_chance", "usable", "reason"]),
            )  # fmt: skip


def attention(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Mean patterns of each task's top heads at the end of training, one figure per group."""
    for number, group in enumerate(inputs.study.groups):
        found = [entry for entry in inputs.patterns if entry.group == group.name]
        heads = {seed: _heads(inputs, group, seed, found) for seed in sorted({entry.seed for entry in found})}
        heads = {seed: chosen for seed, chosen in heads.items() if chosen}
        if heads:
            yield Exhibit(
                f"attention-{number}",
                _title(group),
                "Does a head look in the same way in each task? Rows: the head whose ablation costs each task most. "
                "Each pattern runs from the querying position (down) to the position it attends to (across).",
                figures.attention_patterns(found, heads, tasks=_tasks(group)),
                _pattern_table(found, heads),
                is_wide=True,
            )


def trajectories(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Gap and overlap over training, one figure per group."""
    for number, group in enumerate(inputs.study.groups):
        transfer, overlap = inputs.of_group("transfer", group), inputs.of_group("overlap", group)
        pairs = pairs_of_main(with_measure(overlap), group.main.task) if len(overlap) else overlap
        if len(transfer) and len(pairs):
            gaps = transfer[["seed", "step", "gap"]]
            yield Exhibit(
                f"trajectories-{number}",
                _title(group),
                "Does the gap close when the heads become alike? Hollow: not usable, because a task is not yet solved "
                "and dead maps look alike. Of a difference, less is more alike.",
                figures.overlap_and_gap(transfer, overlap, main=group.main.task),
                table(pairs.merge(gaps, on=["seed", "step"], how="left"),
                      ["measure", "seed", "step", "other", "gap", "value", "ci_low", "ci_high", "chance",
                       "noise_floor", "usable", "reason"]),
                is_wide=True,
            )  # fmt: skip


def correlation(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Overlap against transfer: all groups in one figure."""
    kinds = {
        group.name: str(group.kind) for group in sorted(inputs.study.groups, key=lambda group: group.kind != "related")
    }
    mains = {group.name: group.main.task for group in inputs.study.groups if group.auxiliary}
    if not (len(inputs.overlap) and len(inputs.transfer) and mains):
        return
    points = figures.overlap_points(inputs.overlap, inputs.transfer, mains=mains)
    if len(points):
        yield Exhibit(
            "correlation",
            "Every checkpoint of every run",
            "Do the points of a run rise together in the related group, and not in the control? Lines join consecutive "
            "checkpoints; hollow points are not usable and enter no estimate.",
            figures.overlap_against_transfer(points, kinds=kinds),
            table(points, ["measure", "group", "seed", "step", "overlap", "gap", "transfer_fraction", "usable"],
                  caption="Overlap is the mean over main's auxiliaries."),
            is_wide=True,
        )  # fmt: skip


def stability(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Main's accuracy in the regimes over training, one figure per group."""
    for number, group in enumerate(inputs.study.groups):
        rows = inputs.of_group("transfer", group)
        if len(rows):
            yield Exhibit(
                f"stability-{number}",
                _title(group),
                "Is extrapolation stable over steps and alike over seeds? "
                f"Lengths up to {group.main.max_length}, up to {group.max_length}, and beyond.",
                figures.regimes(rows),
                table(rows, ["seed", "step", *REGIMES, "gap", "transfer_fraction"]),
                is_wide=True,
            )


def _title(group: Group) -> str:
    return f"{group.name} · {group.kind}"


def _tasks(group: Group) -> list[str]:
    return [entry.task for entry in group.tasks]


def _floor(inputs: ReportInputs) -> float:
    return inputs.study.measures.baseline_floor


def _heads(
    inputs: ReportInputs, group: Group, seed: int, found: Sequence[figures.RunPattern]
) -> list[figures.HeadOfInterest]:
    """The heads to show of one run: those that its last checkpoint needs most, by the study's first method."""
    rows = inputs.of_group("head_scores", group)
    if not len(rows):
        return []
    step = max(entry.step for entry in found if entry.seed == seed)
    method = inputs.study.measures.methods[0]
    chosen = rows[(rows["seed"] == seed) & (rows["step"] == step) & (rows["method"] == method)]
    return figures.heads_that_matter(chosen, tasks=_tasks(group))


def _pattern_table(found: Sequence[figures.RunPattern], heads: dict[int, list[figures.HeadOfInterest]]) -> Table:
    """One row per pattern and querying position; a column for each position attended to."""
    frames = []
    for entry in found:
        for chosen in heads.get(entry.seed, []):
            pattern = entry.mean.pattern[chosen.head.layer, chosen.head.head_index]
            frame = pd.DataFrame(pattern).add_prefix("to_")
            frame.insert(0, "role", [role.lower() for role in entry.mean.layout])
            frame.insert(0, "from", range(len(frame)))
            frame.insert(0, "task", entry.mean.task)
            frame.insert(0, "head", str(chosen.head))
            frame.insert(0, "seed", entry.seed)
            frames.append(frame)
    rows = pd.concat(frames, ignore_index=True)
    return table(rows, caption="Attention from each position (row) to each position (column), for the heads shown.")
