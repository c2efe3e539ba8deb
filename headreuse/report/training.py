"""Exhibits of training: how far tasks reach, and whether transfer goes with overlap."""

from collections.abc import Iterator

import pandas as pd

from headreuse import figures
from headreuse.correlation.panels import accuracies_of
from headreuse.correlation.verdict import NAME, PARTS
from headreuse.figures.measures import with_measure
from headreuse.figures.trajectories import REGIMES, pairs_of_main
from headreuse.report import titles
from headreuse.report.caveats import coupling
from headreuse.report.estimates import ESTIMATES, OF_ESTIMATES
from headreuse.report.exhibits import Exhibit, axis_of, on_slider, tasks, title
from headreuse.report.findings import WITHIN
from headreuse.report.inputs import ReportInputs
from headreuse.report.pairs import asked_measure
from headreuse.report.tables import Table, table
from headreuse.report.words import measured_words
from headreuse.study.group import Group
from headreuse.study.transfer_rows import OF_ACCURACY

ACCURACIES = ["seed", "step", "task", "role", "length", "n", "accuracy", "ci_low", "ci_high"]
OVERLAPS = [
    *("measure", "seed", "step", "auxiliary", "value", "ci_low", "ci_high", "chance", "noise_floor", "usable", "reason")
]
OF_POINTS = "Overlap: mean over main's auxiliaries."
IN_SHORT = (NAME, *PARTS, WITHIN)
"""Statistics below the points; every one is with the estimates."""
LOG_LINES = ["seed", "step", "task", "role", "length", "regime", "n", "accuracy", "loss"]


def accuracy(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Accuracy by length, one figure per group."""
    colours = figures.task_colours(task for group in inputs.study.groups for task in tasks(group))
    for number, group in enumerate(inputs.study.groups):
        rows = inputs.of_group("accuracy", group)
        if not len(rows):
            continue
        if not group.has_lengths:
            yield _accuracy_of_all(number, group, rows)
            continue
        rows, note = on_slider(rows)
        trained = {entry.task: entry.max_length for entry in group.tasks}
        yield Exhibit(
            f"accuracy-{number}",
            title(group),
            f"How far beyond its dotted line (length {group.main.max_length}) does {group.main.task} stay accurate? "
            f"The band is the range over seeds, or the 95 % interval of one seed.{note}",
            figures.accuracy_curves(rows, trained=trained, colours=colours),
            (table(rows, ACCURACIES),),
            shows=titles.reach(inputs, group),
        )


def _accuracy_of_all(number: int, group: Group, rows: pd.DataFrame) -> Exhibit:
    """A table, since prompts without lengths have no curve."""
    return Exhibit(
        f"accuracy-{number}",
        title(group),
        "How often is the whole answer right, over all prompts of a task? The interval is over prompts.",
        None,
        (table(rows.drop(columns=["length"]), ACCURACIES, is_open=True),),
    )


def trajectories(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Overlap over training, beside the transfer that the study asks about or the tasks' accuracy; one a group."""
    for number, group in enumerate(inputs.study.groups):
        overlap = inputs.of_group("overlap", group)
        pairs = pairs_of_main(with_measure(overlap), group.main.task) if len(overlap) else overlap
        beside = _beside(inputs, group, pairs) if len(pairs) else None
        if beside is None:
            continue
        question = ASKED_OF.get(beside.title, f"Does the {beside.title} rise when the heads become alike?")
        yield Exhibit(
            f"trajectories-{number}",
            title(group),
            f"{question} A hollow marker is not usable, for example because a task is not yet solved: maps of tasks "
            "that fail look alike. A smaller difference is more alike.",
            figures.overlap_over_steps(
                beside,
                overlap,
                main=group.main.task,
                axis=axis_of(inputs, group),
                measure=asked_measure(inputs, overlap),
            ),
            (
                table(pairs.rename(columns={"task_b": "auxiliary"}), OVERLAPS, title="Numbers of the overlap"),
                _numbers_beside(inputs, group, beside),
            ),
            is_wide=True,
            shows=titles.changes(inputs, group, beside),
        )


ASKED_OF = {
    "generalization gap": "Does the gap close when the heads become alike?",
    "accuracy": "Do the tasks' heads become alike when the tasks are learned (main: solid, auxiliaries: dashed)?",
}


def _beside(inputs: ReportInputs, group: Group, pairs: pd.DataFrame) -> figures.Beside | None:
    """What is shown beside overlap; None where nothing that goes with it has been measured."""
    transfer, asked = inputs.of_group("transfer", group), inputs.study.question.transfer
    if asked in transfer and asked not in OF_ACCURACY and transfer[asked].notna().any():
        rows = transfer.loc[transfer[asked].notna(), ["seed", "step", asked]]
        return figures.Beside(measured_words(inputs.study, str(asked)), rows)
    if group.has_lengths:
        return figures.gap_of(transfer) if len(transfer) else None
    return figures.Beside("accuracy", accuracies_of(pairs).reset_index())


def _numbers_beside(inputs: ReportInputs, group: Group, beside: figures.Beside) -> Table:
    rows = inputs.of_group("transfer", group)
    if beside.title == "generalization gap":
        return table(rows, ["seed", "step", "gap", "transfer_fraction"], title="Numbers of the gap")
    return table(beside.rows, title=f"Numbers of the {beside.title}")


def training_log(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Accuracy during training, one figure per group."""
    for number, group in enumerate(inputs.study.groups):
        rows = inputs.of_group("training_log", group)
        if len(rows):
            yield Exhibit(
                f"log-{number}",
                title(group),
                "When is each length learned, does it stay learned, and do seeds agree? Every "
                f"{group.training.log_every} steps on {rows['n'].max()} examples of each length, so a line is noisier "
                "than the curves above.",
                figures.training_log(rows),
                (table(rows, LOG_LINES),),
                is_wide=True,
            )


def correlation(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Overlap against transfer: all groups in one figure."""
    groups = sorted(inputs.study.groups, key=lambda group: group.kind != "related")
    mains = {group.name: group.main.task for group in groups if group.auxiliary}
    if not (len(inputs.overlap) and len(inputs.transfer) and mains):
        return
    points = figures.overlap_points(inputs.overlap, inputs.transfer, mains=mains)
    if len(points):
        yield Exhibit(
            "correlation",
            "Every checkpoint of every run",
            "Do the points of a run lie along a line in the related group, and not in the control? Thin lines join "
            "consecutive checkpoints; hollow points are not usable and are not part of any estimate."
            f"{coupling(inputs.study)}",
            figures.overlap_against_transfer(
                points,
                kinds={group.name: group.kind for group in groups},
                measure=asked_measure(inputs, inputs.overlap),
                transfer=inputs.study.question.transfer,
            ),
            (
                *_estimates(inputs),
                table(points.drop(columns=["metric", "outcome"]), title="Numbers of the points", caption=OF_POINTS),
            ),
            is_wide=True,
            shows=titles.relation(inputs),
        )


def _estimates(inputs: ReportInputs) -> Iterator[Table]:
    """The verdicts and what they rest on, of the measure and the transfer metric that are chosen; others are below."""
    if len(inputs.correlation):
        rows = with_measure(inputs.correlation.rename(columns={"overlap_metric": "metric"}))
        rows = rows[rows["statistic"].isin(IN_SHORT)]
        yield table(rows, ESTIMATES, title="Correlations", caption=OF_ESTIMATES, is_open=True)


def stability(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Main's accuracy in the regimes over training, one figure per group."""
    for number, group in enumerate(inputs.study.groups):
        rows = inputs.of_group("transfer", group)
        if not (len(rows) and group.has_lengths):
            continue
        yield Exhibit(
            f"stability-{number}",
            title(group),
            "Is extrapolation stable over steps, and similar in all seeds? "
            f"Lengths up to {group.main.max_length}, up to {group.transfer_to}, and beyond.",
            figures.regimes(rows, axis=axis_of(inputs, group)),
            (table(rows, ["seed", "step", *REGIMES]),),
            is_wide=True,
            shows=titles.kept(inputs, group),
        )
