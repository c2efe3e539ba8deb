"""The picture at the top of a page: how far main reaches in each group, beside how alike the tasks' heads are."""

import pandas as pd

from headreuse import figures
from headreuse.figures.overview import GROUPS
from headreuse.overlap import OVERLAP_METRICS
from headreuse.report.exhibits import Exhibit
from headreuse.report.inputs import ReportInputs
from headreuse.report.pairs import overlap_at_the_end
from headreuse.report.tables import table
from headreuse.report.titles import reaches
from headreuse.study.group import Group

ALIKE = ["group", "seed", "step", "overlap"]


def overview(inputs: ReportInputs) -> Exhibit | None:
    """Accuracy by length and overlap, of the groups that have lengths; None where nothing of the kind is measured."""
    known = [group for group in inputs.study.groups if group.has_lengths and len(inputs.of_group("accuracy", group))]
    groups = known[: len(GROUPS)]
    if not groups:
        return None
    reach = pd.concat([_reach(inputs, group) for group in groups], ignore_index=True)
    alike = pd.concat([overlap_at_the_end(inputs, group)[ALIKE] for group in groups], ignore_index=True)
    lengths = {group.main.max_length for group in groups}
    left_out = f" The first {len(groups)} of {len(known)} groups." if len(known) > len(groups) else ""
    beside = (
        " Beside it, how alike main's heads are to its auxiliaries' at each run's last usable checkpoint; a line marks "
        "the median."
    )
    return Exhibit(
        "overview",
        "At a glance",
        "Main's accuracy at the last checkpoint: the median over runs, with their range."
        f"{beside if len(alike) else ''}{left_out}",
        figures.overview(
            reach,
            alike,
            trained_to=lengths.pop() if len(lengths) == 1 else None,
            overlap_title=_measure(inputs),
            alone=[group.name for group in groups if not group.auxiliary],
        ),
        tuple(table(rows, title=title) for rows, title in ((reach, "Numbers"), (alike, "Overlap")) if len(rows)),
        is_wide=True,
        shows=reaches(inputs),
    )


def _reach(inputs: ReportInputs, group: Group) -> pd.DataFrame:
    """Main's accuracy by length at each run's last checkpoint: median and range over runs."""
    rows = inputs.of_group("accuracy", group)
    rows = rows[rows["task"] == group.main.task]
    last = rows[rows["step"] == rows.groupby("seed")["step"].transform("max")]
    over_runs = last.groupby("length")["accuracy"].agg(accuracy="median", low="min", high="max").reset_index()
    return over_runs.assign(group=group.name)


def _measure(inputs: ReportInputs) -> str:
    asked = inputs.study.question
    of = "head maps" if asked.outcome else "attention patterns"
    alike = "smaller: more alike" if OVERLAP_METRICS[str(asked.overlap)].distance else "1: the same"
    return f"{str(asked.overlap).replace('_', ' ')} of {of}, {alike}"
