"""A plan as lines to read, and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from headreuse.correlation.power import can_test
from headreuse.correlation.simulated import Design, Learning
from headreuse.correlation.wording import counted
from headreuse.report.planning import EARLY, Plan, Row
from headreuse.work.ticker import duration


def as_json(made: Plan) -> dict[str, Any]:
    """All of a plan."""
    question = made.question.model_dump(mode="json")
    return asdict(made) | {"question": question, "smallest": made.smallest and asdict(made.smallest)}


def lines(made: Plan) -> Iterator[str]:
    """A plan in words."""
    asked, over = made.question, counted(made.n_groups, "group")
    yield f"Does {asked.transfer} go with {asked.overlap} beyond progress, over {over}? How often a study finds a"
    yield f"correlation of {made.effect:g}, and how long it takes:"
    yield ""
    yield from _table(made.rows)
    yield ""
    yield _smallest(made)
    yield _as_written(made)
    yield ""
    yield from _assumptions(made)


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield f"{'seeds':>5}  {'usable checkpoints':>18}  {'found in':>8}  takes"
    for row in rows:
        yield f"{row.n_seeds:>5}  {row.n_usable:>18}  {row.power:>8.0%}  {_takes(row)}"


def _takes(row: Row) -> str:
    return "not known" if row.seconds is None else f"about {duration(row.seconds)}"


def _smallest(made: Plan) -> str:
    if (row := made.smallest) is None:
        most = max(made.rows, key=lambda row: row.power)
        return (
            f"None of these finds it in {made.target:.0%} of studies; the most is {most.power:.0%}, with {_size(most)}."
        )
    return f"The quickest of these that finds it in {made.target:.0%} of studies: {_size(row)}, {_takes(row)}."


def _as_written(made: Plan) -> str:
    row = made.as_written
    found = f"As written, {_size(row)}: found in {row.power:.0%} of studies, {_takes(row)}."
    if can_test(Design(row.n_seeds, row.n_usable, made.n_groups)):
        return found
    return f"As written, {_size(row)}: too few to test anything, {_takes(row)}."


def _size(row: Row) -> str:
    return f"{counted(row.n_seeds, 'seed')} with {counted(row.n_usable, 'usable checkpoint')} of {row.n_checkpoints}"


def _assumptions(made: Plan) -> Iterator[str]:
    usual, error = Learning(), np.sqrt(0.25 / made.n_simulations)
    denser = usual.autocorrelation**0.5
    if made.are_usable_known:
        yield "Usable checkpoints are those of the typical run of the folder."
    else:
        yield (
            f"Usable checkpoints are taken to be all but the first {EARLY:.0%}, which lie before main passes the "
            "floor; with a run folder in place of the study file they are counted."
        )
    yield (
        f"Simulated: {made.n_simulations} studies a row (standard error up to {error:.0%}), seeds whose log clocks "
        f"have the standard deviation {usual.clock:g}, neighbouring checkpoints that correlate by "
        f"{usual.autocorrelation:g} beyond the trend, or {denser:.2g} where there are twice as many."
    )
    if made.pace is None:
        yield "How long that takes is not known: nothing is timed of tasks that a run folder keeps."
        return
    pace = made.pace
    yield (
        f"Timed here: {_milliseconds(pace.seconds_a_step)} a training step and "
        f"{_milliseconds(pace.seconds_a_checkpoint)} a checkpoint of {pace.group}, the group that takes longest; "
        f"{counted(made.n_workers, 'worker')} side by side."
    )


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
