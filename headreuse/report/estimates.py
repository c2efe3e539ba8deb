"""Exhibits over all groups: estimates with intervals, medians over seeds, what a task loses without another's heads."""

from collections.abc import Iterator

import pandas as pd

from headreuse import figures
from headreuse.figures.bands import medians_over_seeds
from headreuse.figures.forest import contrast_with_its_statistic, shown_rows
from headreuse.figures.measures import with_measure
from headreuse.figures.specificity import specificity_over_seeds
from headreuse.report.caveats import coupling
from headreuse.report.exhibits import Exhibit, axis_of, title
from headreuse.report.inputs import ReportInputs
from headreuse.report.tables import table

ESTIMATES = [
    *("measure", "transfer_metric", "statistic", "group", "kind", "value", "ci_low", "ci_high", "interval", "n_runs"),
    *("n_points", "p", "q", "test", "verdict", "direction", "primary", "note"),
]
MEDIANS = ["median_of", "step", "median", "low", "high", "ci_low", "ci_high", "confidence", "n_seeds"]
OF_ESTIMATES = (
    "Only the rows beyond progress have a verdict. Step adjusted, aligned, retimed and conditional are its parts, none "
    "of them evidence by itself; every other statistic describes."
)
OF_SETS = (
    "p chance asks whether the target needs just these heads more than other sets with as many heads in each layer; it "
    "says nothing about transfer. The interval is over prompts. Where either is missing, the note says why."
)
COSTS = [
    *("outcome", "group", "kind", "seed", "step", "source", "target", "n_heads", "value", "ci_low", "ci_high"),
    *("chance", "p_chance", "least_p", "n_sets", "loss", "loss_own", "loss_random", "usable", "reason", "note"),
]


def forest(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Estimates of all groups: one figure."""
    if not len(inputs.correlation) or not len(shown_rows(inputs.correlation)):
        return
    rows = with_measure(contrast_with_its_statistic(inputs.correlation).rename(columns={"overlap_metric": "metric"}))
    yield Exhibit(
        "forest",
        "Estimates by group",
        "Are related groups away from 0, on the side that means more alike where transfer is better, and are controls "
        "near 0? A point is the median over runs, its line the 97 % interval that takes each run as one observation; a "
        "hollow point has none (hover over it to read why). A smaller difference is more alike, so its sign is "
        f"opposite to that of a similarity.{coupling(inputs.study)}",
        figures.forest(inputs.correlation),
        (table(rows, ESTIMATES, title="Estimates", caption=OF_ESTIMATES),),
        is_wide=True,
    )


def bands(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Gap, transfer fraction and overlap over training: one figure per group."""
    mains = {group.name: group.main.task for group in inputs.study.groups if group.auxiliary}
    if not (len(inputs.overlap) and len(inputs.transfer) and mains):
        return
    points = figures.overlap_points(inputs.overlap, inputs.transfer, mains=mains)
    for number, group in enumerate(inputs.study.groups):
        rows = points[points["group"] == group.name]
        if not len(rows):
            continue
        medians = [
            medians_over_seeds(part).assign(overlap_of=name) for name, part in rows.groupby("measure", sort=False)
        ]
        yield Exhibit(
            f"bands-{number}",
            title(group),
            "Does overlap change when transfer appears, in all seeds? The line is the median over seeds. Overlap "
            "that is not usable is left out, so its median may be over fewer seeds.",
            figures.seed_bands(rows, kind=group.kind, axis=axis_of(inputs, group)),
            (table(_distinct(medians), MEDIANS),),
            is_wide=True,
        )


def _distinct(medians: list[pd.DataFrame]) -> pd.DataFrame:
    """Medians of all overlap measures below each other; those of the gap and τ, which do not depend on it, once."""
    whole = pd.concat(medians, ignore_index=True)
    of_transfer = whole["measure"] != "overlap"
    named = whole.assign(median_of=whole["measure"].where(of_transfer, whole["overlap_of"]))
    return named.drop_duplicates(["median_of", "step"])


def specificity(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Functional overlap of all groups: one figure."""
    groups = {group.name: group for group in inputs.study.groups if group.auxiliary}
    rows = inputs.functional_overlap
    rows = rows[rows["group"].isin(groups)] if len(rows) else rows
    if not len(rows):
        return
    rows = rows.assign(kind=rows["group"].map({name: group.kind for name, group in groups.items()}))
    summary = specificity_over_seeds(rows)
    mains = {name: group.main.task for name, group in groups.items()}
    if not len(summary):
        return
    yield Exhibit(
        "specificity",
        "Functional overlap at each run's last measured checkpoint",
        "Whose heads are ablated → which task is measured. 1: the target loses as much as without its own top heads; "
        "0: it loses nothing. Is the point right of other heads of the same layers (the grey mark) in related groups, "
        "and not in controls? The line encloses the median of all seeds (in at "
        "least 92 % of studies); a hollow point is of fewer than 5 seeds, too few for that.",
        figures.functional_specificity(summary, mains=mains),
        (table(rows, COSTS, caption=OF_SETS),),
        is_wide=True,
    )
