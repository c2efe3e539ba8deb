"""Exhibits of training: how far tasks reach, and whether transfer goes with overlap."""

from collections.abc import Iterator

from headreuse import figures
from headreuse.figures.measures import with_measure
from headreuse.figures.trajectories import REGIMES, pairs_of_main
from headreuse.report.caveats import COUPLING
from headreuse.report.estimates import ESTIMATES, OF_ESTIMATES
from headreuse.report.exhibits import Exhibit, on_slider, tasks, title
from headreuse.report.inputs import ReportInputs
from headreuse.report.tables import Table, table

ACCURACIES = ["seed", "step", "task", "role", "length", "n", "accuracy", "ci_low", "ci_high"]
OVERLAPS = [
    *("measure", "seed", "step", "auxiliary", "value", "ci_low", "ci_high", "chance", "noise_floor", "usable", "reason")
]
LOG_LINES = ["seed", "step", "task", "role", "length", "regime", "n", "accuracy", "loss"]
POINTS = ["measure", "group", "seed", "step", "overlap", "gap", "transfer_fraction", "usable"]


def accuracy(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Accuracy by length, one figure per group."""
    colours = figures.task_colours(task for group in inputs.study.groups for task in tasks(group))
    for number, group in enumerate(inputs.study.groups):
        rows = inputs.of_group("accuracy", group)
        if not len(rows):
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
        )


def trajectories(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Gap and overlap over training, one figure per group."""
    for number, group in enumerate(inputs.study.groups):
        transfer, overlap = inputs.of_group("transfer", group), inputs.of_group("overlap", group)
        pairs = pairs_of_main(with_measure(overlap), group.main.task) if len(overlap) else overlap
        if not (len(transfer) and len(pairs)):
            continue
        yield Exhibit(
            f"trajectories-{number}",
            title(group),
            "Does the gap close when the heads become alike? A hollow marker is not usable, for example because a task "
            "is not yet solved: maps of tasks that fail look alike. A smaller difference is more alike.",
            figures.overlap_and_gap(transfer, overlap, main=group.main.task),
            (
                table(pairs.rename(columns={"task_b": "auxiliary"}), OVERLAPS, title="Numbers of the overlap"),
                table(transfer, ["seed", "step", "gap", "transfer_fraction"], title="Numbers of the gap"),
            ),
            is_wide=True,
        )


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
            f"consecutive checkpoints; hollow points are not usable and are not part of any estimate. {COUPLING}",
            figures.overlap_against_transfer(points, kinds={group.name: group.kind for group in groups}),
            (
                *_estimates(inputs),
                table(points, POINTS, title="Numbers of the points", caption="Overlap: mean over main's auxiliaries."),
            ),
            is_wide=True,
        )


def _estimates(inputs: ReportInputs) -> Iterator[Table]:
    """The correlation table, which shows the rows of the measure and the transfer metric that are chosen."""
    if len(inputs.correlation):
        rows = with_measure(inputs.correlation.rename(columns={"overlap_metric": "metric"}))
        yield table(rows, ESTIMATES, title="Correlations", caption=OF_ESTIMATES, is_open=True)


def stability(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Main's accuracy in the regimes over training, one figure per group."""
    for number, group in enumerate(inputs.study.groups):
        rows = inputs.of_group("transfer", group)
        if not len(rows):
            continue
        yield Exhibit(
            f"stability-{number}",
            title(group),
            "Is extrapolation stable over steps, and similar in all seeds? "
            f"Lengths up to {group.main.max_length}, up to {group.transfer_to}, and beyond.",
            figures.regimes(rows),
            (table(rows, ["seed", "step", *REGIMES]),),
            is_wide=True,
        )
