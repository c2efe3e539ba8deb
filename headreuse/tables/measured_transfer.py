"""The table of transfer that was measured elsewhere, brought to the checkpoints that are there."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from headreuse.correlation.wording import counted
from headreuse.study.measured import MeasuredTransfer
from headreuse.study.runs import Run
from headreuse.study.transfer_rows import TransferRow
from headreuse.tables.base import study_table
from headreuse.tables.columns import FURTHER, PLACE
from headreuse.tables.results import Results

MOST_NAMED = 3


MEANINGS = PLACE | {
    "transfer": "Transfer as it was measured elsewhere; larger is more.",
    FURTHER: "Further measures of the study's file of transfer, under their own names.",
}
"""Of the columns."""


@study_table("measured_transfer", version=1, columns=MEANINGS)
def measured_transfer(results: Results) -> pd.DataFrame:
    """Columns group, seed, step and one for each measure of the study's file of transfer; empty where it has none.

    One row for each checkpoint that is there and has a row in the file; NaN where the file's cell is empty.
    """
    given = results.study.transfer
    if given is None:
        return pd.DataFrame([], columns=list(PLACE))
    rows = [
        dict(zip(PLACE, (run.group.name, run.label, row.step), strict=True)) | dict(row.values)
        for run, found, _ in _by_run(results, given)
        for row in found
    ]
    return pd.DataFrame(rows, columns=[*PLACE, *given.measures])


def about_transfer(results: Results) -> Iterator[str]:
    """A line on the rows of the study's file that fit no checkpoint, and one on checkpoints that have no row."""
    given = results.study.transfer
    if given is None:
        return
    found = list(_by_run(results, given))
    fitting = {row.line for _, rows, _ in found for row in rows}
    if left := [row for row in given.rows if row.line not in fitting]:
        lines = _some([f"line {row.line}: {_where(row)}" for row in left])
        yield f"{given.file}: {counted(len(left), 'row')} without a checkpoint ({lines})"
    if lacking := [f"{run} step {step}" for run, _, steps in found for step in steps]:
        yield f"{given.file}: {counted(len(lacking), 'checkpoint')} without a row ({_some(lacking)})"


def _by_run(results: Results, given: MeasuredTransfer) -> Iterator[tuple[Run, list[TransferRow], list[int]]]:
    """Each run with the rows of its checkpoints, and the steps of those that have none."""
    alone = _alone([entry.run for entry in results.progress])
    rows = {(row.group, row.run, row.step): row for row in given.rows}
    for entry in results.progress:
        run, found, lacking = entry.run, [], []
        group = run.group.name if given.has_groups else None
        label = str(run.label) if given.has_runs else None
        for at in entry.checkpoints:
            row = rows.get((group, label, at.checkpoint.step)) if given.has_runs or alone[run.group.name] else None
            if row is not None and row.values:
                found.append(row)
            else:
                lacking.append(at.checkpoint.step)
        yield run, found, lacking


def _alone(runs: Sequence[Run]) -> Mapping[str, bool]:
    """Whether a group has one run, so that a row need not say which."""
    numbers: dict[str, int] = defaultdict(int)
    for run in runs:
        numbers[run.group.name] += 1
    return {name: n == 1 for name, n in numbers.items()}


def _where(row: TransferRow) -> str:
    return " ".join(filter(None, [row.group, row.run, f"step {row.step}"]))


def _some(lines: Sequence[str]) -> str:
    return "; ".join([*lines[:MOST_NAMED], *(["…"] if len(lines) > MOST_NAMED else [])])
