"""How many seeds and usable checkpoints does the primary question need, and how long does that take?"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np

from headreuse.correlation import panels
from headreuse.correlation.panels import Panel
from headreuse.correlation.power import share_found
from headreuse.correlation.primary import chosen_groups
from headreuse.correlation.simulated import Design
from headreuse.correlation.wording import counted
from headreuse.errors import HeadreuseError
from headreuse.sources.trained import scheduled
from headreuse.store.folder import RunFolder
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.primary import Primary
from headreuse.study.streams import Stream
from headreuse.tables.make import make_tables
from headreuse.work.machine import side_by_side
from headreuse.work.timing import Pace, pace_of, seconds_of

N_SEEDS = (4, 6, 8, 12, 16, 24)
DENSER = (1, 2)
"""Times as many checkpoints between the same steps."""
N_SIMULATIONS = 200
"""Of one group; of several groups fewer, which take longer."""
FEWEST_SIMULATIONS = 60
EARLY = 0.4
"""Share of the checkpoints that is taken to lie before main passes the floor."""


@dataclass(frozen=True)
class Wanted:
    """What is to be found, and with what."""

    effect: float
    """Correlation beyond progress, from 0 to 1."""
    target: float
    """In how many studies, from 0 to 1."""
    n_workers: int | None = None
    """Models that are trained side by side; None for as many as the machine suits."""


@dataclass(frozen=True)
class Row:
    """One size of a study."""

    n_seeds: int
    n_usable: int
    """Usable checkpoints of each run."""
    n_checkpoints: int
    power: float
    """How often the relation is found, from 0 to 1."""
    seconds: float | None
    """None where that is not known."""


@dataclass(frozen=True)
class Plan:
    """What the primary question of a study needs."""

    question: Primary
    n_groups: int
    """Groups that count together, twins once."""
    effect: float
    target: float
    rows: tuple[Row, ...]
    as_written: Row
    are_usable_known: bool
    """Whether a run told how many checkpoints are usable; else all but the first `EARLY` are taken to be."""
    pace: Pace | None
    n_workers: int
    n_simulations: int

    @property
    def smallest(self) -> Row | None:
        """The design that finds it often enough and takes the shortest time."""
        enough = [row for row in self.rows if row.power >= self.target]
        return min(enough, key=lambda row: (row.seconds or row.n_seeds * row.n_checkpoints, row.n_seeds), default=None)


def plan_of(study: Study, folder: RunFolder | None, wanted: Wanted, tell: Callable[[str], None]) -> Plan:
    """The plan of a study, its time measured here.

    Args:
        study: what is planned.
        folder: a run of it, which tells how many checkpoints are usable; None where there is none yet.
        wanted: what is to be found.
        tell: called with a few words on the way.
    """
    asked_about(study)
    n_usable = None if folder is None else usable_in(folder)
    n_runs = len(study.groups) * max(*N_SEEDS, len(study.seeds))
    n_workers, n_threads = side_by_side(wanted.n_workers, n_jobs=n_runs)
    pace = None
    if folder is None or not study.tasks:
        tell("timing a few training steps and one checkpoint")
        pace = pace_of(study, n_threads=n_threads)
    return plan(study, wanted, n_usable=n_usable, pace=pace, n_workers=max(1, min(n_workers, n_runs)), tell=tell)


def plan(
    study: Study,
    wanted: Wanted,
    *,
    n_usable: int | None,
    pace: Pace | None,
    n_workers: int,
    tell: Callable[[str], None],
) -> Plan:
    """Simulate the verdict on studies of several sizes.

    Args:
        study: what is planned.
        wanted: what is to be found.
        n_usable: checkpoints of each run that count, where a run has told; None for all but the first 40 %.
        pace: of this machine; None where nothing is trained here.
        n_workers: models that are trained side by side.
        tell: called with a few words before each size.
    """
    groups = asked_about(study)
    n_groups = len({group.twins or group.name for group in groups})
    n_checkpoints = min(len(scheduled(group)) for group in groups)
    usable = n_checkpoints - ceil(EARLY * n_checkpoints) if n_usable is None else n_usable
    n_simulations = max(FEWEST_SIMULATIONS, N_SIMULATIONS // n_groups)

    def row(n_seeds: int, denser: int) -> Row:
        design = Design(n_seeds, denser * usable, n_groups, denser)
        tell(f"simulating studies of {n_seeds} seeds with {counted(design.n_steps, 'usable checkpoint')}")
        generator = Stream.POWER.generator(study.data_seed, n_seeds, design.n_steps)
        found = share_found(design, wanted.effect, generator, n_simulations=n_simulations)
        many = {"n_seeds": n_seeds, "denser": denser, "n_workers": n_workers}
        seconds = None if pace is None else seconds_of(study, pace, **many)
        return Row(n_seeds, design.n_steps, denser * n_checkpoints, found, seconds)

    rows = {(n, denser): row(n, denser) for n in N_SEEDS for denser in DENSER}
    n_seeds = len(study.seeds)
    as_written = rows.get((n_seeds, 1)) or row(n_seeds, 1)
    sizes = (n_groups, wanted.effect, wanted.target, tuple(rows.values()), as_written)
    return Plan(study.question, *sizes, n_usable is not None, pace, n_workers, n_simulations)


def asked_about(study: Study) -> list[Group]:
    """The groups of the primary question; refused where there is none."""
    groups = [study.group(name) for name in chosen_groups(study.question, study.groups)]
    if not groups:
        raise HeadreuseError(
            f"{study.name}: no group is related, so there is no question to plan for; name groups under [primary]"
        )
    if given := [group.name for group in groups if group.source is not None]:
        raise HeadreuseError(
            f"{study.name}: {given[0]} has checkpoints from elsewhere; only training from scratch can be planned"
        )
    return groups


def usable_in(folder: RunFolder) -> int:
    """Usable checkpoints of the typical run of the primary question."""
    study, tables = folder.study, make_tables(folder)
    names = {group.name for group in asked_about(study)}
    counts = [
        int(n)
        for panel in panels(tables["overlap"], tables["transfer"], study.groups)
        if panel.group in names and _is_of(panel, study.question)
        for n in panel.present.sum(axis=1)
    ]
    return int(np.median(counts)) if counts else 0


def _is_of(panel: Panel, question: Primary) -> bool:
    asked = (question.overlap, question.method, question.outcome, question.transfer)
    return all(name in (None, found) for name, found in zip(asked, panel.measure, strict=True))
