"""Transfer against overlap: how often is a relation told that is not there, and how often is a real one found?

`beyond_progress.*` is the verdict that the report prints as evidence, in either direction. Its parts, and the
tests that others use, are for comparison alone and begin with `naive`. `.coverage` is how often an interval that the
table prints holds the median over all runs that were simulated of the same design.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import stats

from calibrating.histories import (
    Histories,
    Setting,
    auxiliary,
    collapse,
    hump,
    monotone,
    onset,
    scale,
    slopes,
    tails,
    ties,
)
from calibrating.number import Job, Number
from headreuse.correlation import paired
from headreuse.correlation.across import contrast
from headreuse.correlation.clocks import at_same_progress
from headreuse.correlation.estimate import ALPHA, CONFIDENCE, INTERVAL_FROM, combined
from headreuse.correlation.medians import interval_of_median
from headreuse.correlation.paired import about_level, deviations, own, permutation_p, run_correlations
from headreuse.correlation.panels import Panel
from headreuse.correlation.statistics import STATISTICS, given_accuracies, without_own_timing
from headreuse.correlation.table import verdict_of
from headreuse.correlation.verdict import PARTS, RETIMED, RETIMED_FROM

paired.N_SAMPLED = 999
"""Pairings that are drawn where there are too many, fewer than the package draws: p is a little noisier, no smaller."""
N_RUNS = (4, 6, 12)
CHUNK = 100
N_CHECKED = 3
"""Studies of each design that also go through the package's own table, one by one."""
RELATION = 0.7


@dataclass(frozen=True)
class Tested:
    """One statistic in many studies."""

    p: np.ndarray
    z: np.ndarray
    """Of each run (`study run`)."""

    @property
    def sign(self) -> np.ndarray:
        """Of the median over runs."""
        return np.sign(np.nanmedian(self.z, axis=-1))


def settings() -> list[Setting]:
    """Designs without a direct relation, by name."""
    shapes = {"monotone": monotone, "hump": hump, "onset": onset, "auxiliary": auxiliary}
    found = [
        Setting(f"clock_{name}{spread:g}", shape, 0.5, clock=spread)
        for name, shape in shapes.items()
        for spread in (0.0, 0.1, 0.2, 0.3)
    ]
    found += [replace(setting, name=f"{setting.name}_floor", floor=0.5) for setting in found if setting.clock == 0.2]
    found += [
        Setting(
            f"mechanical_{measure}{spread:g}{'' if floor else '_all'}", mechanical=measure, clock=spread, floor=floor
        )
        for measure in ("d_abl", "cosine")
        for spread, floor in ((0.05, 0.5), (0.15, 0.5), (0.25, 0.5), (0.25, 0.0))
    ]
    found += [Setting(f"scale{spread:g}", scale, spread, clock=0.0) for spread in (0.5, 1.0)]
    found += [Setting(f"slopes{spread:g}", slopes, spread, clock=0.0) for spread in (0.5, 1.0, 2.0)]
    found += [Setting("collapse", collapse, 0.1), Setting("collapse_shared", shared_collapse=0.15)]
    found += [Setting("tails", tails), Setting("ties", ties), Setting("collider", collides=True)]
    found += [Setting(f"missing{share:g}", lost=share, clock=0.2) for share in (0.1, 0.3)]
    return [*found, Setting("plain", clock=0.0), Setting("steps30", n_steps=30, autocorrelation=0.8)]


def related_settings() -> list[Setting]:
    """Designs with a real relation, for power and coverage."""
    shapes = {"monotone": monotone, "hump": hump, "onset": onset}
    found = [Setting(f"clock_{name}0.2", shape, 0.5, clock=0.2) for name, shape in shapes.items()]
    found += [Setting("plain", clock=0.2), Setting("tails", tails, clock=0.2), Setting("ties", ties, clock=0.2)]
    found += [Setting("missing0.1", lost=0.1, clock=0.2), Setting("scale0.5", scale, 0.5, clock=0.2)]
    found += [Setting("slopes0.5", slopes, 0.5, clock=0.2), Setting("collapse", collapse, 0.1, clock=0.2)]
    return [replace(setting, relation=RELATION) for setting in found]


def evidence(setting: Setting, n: int, generator: np.random.Generator) -> Iterator[Number]:
    """Rejections (or power) of the verdict and of what it is made of, and the coverage of every interval."""
    whole = [setting.draw(min(CHUNK, n), generator) for _ in range(max(1, n // CHUNK))]
    parts = [tests_of(histories) for histories in whole]
    joined = {
        name: Tested(*(np.concatenate([getattr(part[name], each) for part in parts]) for each in ("p", "z")))
        for name in parts[0]
    }
    tested = (*PARTS, RETIMED) if setting.n_runs >= RETIMED_FROM else PARTS
    p = _verdict([joined[name] for name in tested])
    _check(setting, whole[0], p)
    kind = "power" if setting.relation else "rejection"
    yield Number(f"beyond_progress.{setting}.{kind}", float((p <= ALPHA).mean()))
    for name in tested:
        yield Number(f"naive_{name}_alone.{setting}.{kind}", float((joined[name].p <= ALPHA).mean()))
    naive = np.concatenate([pearson_over_checkpoints(histories) for histories in whole])
    yield Number(f"naive_pearson.{setting}.{kind}", float((naive <= ALPHA).mean()))
    if setting.n_runs >= INTERVAL_FROM:
        yield from _coverages(setting, joined)


def _coverages(setting: Setting, found: dict[str, Tested]) -> Iterator[Number]:
    for name, tested in found.items():
        if not STATISTICS[name].has_interval:
            continue
        whole = tested.z[np.isfinite(tested.z).all(axis=-1)]
        if len(whole) > len(tested.z) / 2:
            low, high = interval_of_median(whole, confidence=CONFIDENCE)
            truth = np.median(whole)
            covered = (low <= truth) & (truth <= high)
            yield Number(f"{name}.{setting}.coverage", float(covered.mean()))


def tests_of(histories: Histories) -> dict[str, Tested]:
    """Every statistic of the table in every study."""
    overlap, transfer = histories.overlap, histories.transfer
    given = given_accuracies(overlap, transfer, np.stack([histories.main, histories.auxiliary], axis=-1))
    in_progress = aligned(histories)
    series = {
        "step_adjusted": (deviations(overlap), deviations(transfer)),
        "aligned": tuple(map(deviations, in_progress)),
        "retimed": tuple(without_own_timing(each, histories.log_steps) for each in in_progress),
        "conditional": tuple(map(deviations, given)),
        "within_run": (about_level(overlap), about_level(transfer)),
        "first_differences": (about_level(np.diff(overlap)), about_level(np.diff(transfer))),
    }
    found = {}
    for name, (x, y) in series.items():
        z = run_correlations(x, y)
        p = permutation_p([[z]]) if name in (*PARTS, RETIMED) else np.full(len(z), np.nan)
        found[name] = Tested(p, own(z))
    return found


def aligned(histories: Histories) -> tuple[np.ndarray, np.ndarray]:
    """Overlap and transfer at the same progress; NaN throughout a study whose clocks cannot be compared."""
    steps, pairs = np.expm1(histories.log_steps), zip(histories.overlap, histories.transfer, strict=True)
    read = [at_same_progress(main, steps, steps, pair) for main, pair in zip(histories.main, pairs, strict=True)]
    unknown = [np.full(histories.overlap.shape[1:], np.nan)] * 2
    overlap, transfer = np.stack([pair or unknown for pair in read], axis=1)
    return overlap, transfer


def _verdict(parts: Sequence[Tested]) -> np.ndarray:
    """p of the verdict: 1 where the tests differ in sign, or where one cannot be made."""
    defined = np.logical_and.reduce([np.isfinite(part.z).any(axis=-1) for part in parts])
    agree = np.logical_and.reduce([part.sign == parts[0].sign for part in parts])
    largest = np.maximum.reduce([part.p for part in parts])
    return np.where(defined & agree, largest, 1.0)


def _check(setting: Setting, histories: Histories, p: np.ndarray) -> None:
    """The same p as the package's own row, where that has one and every run counts."""
    for study in range(min(N_CHECKED, len(histories.overlap))):
        row = verdict_of(panel(histories, study))
        if row.n_runs == setting.n_runs and np.isfinite(row.p):
            assert np.isclose(row.p, p[study]), f"{setting}: {row} where many at once give p {p[study]}"


def panel(histories: Histories, study: int, group: str = "g") -> Panel:
    """One study as the panel of the tables."""
    steps = np.expm1(histories.log_steps)
    baselines = np.stack([histories.main[study], histories.auxiliary[study]], axis=-1)
    return Panel(
        group,
        "cosine",
        "mean_ablation",
        "log_prob",
        "transfer_fraction",
        np.arange(len(baselines)),
        steps,
        histories.overlap[study],
        histories.transfer[study],
        baselines,
        steps,
        histories.main[study],
        histories.auxiliary[study],
    )


def pearson_over_checkpoints(histories: Histories) -> np.ndarray:
    """Pearson's p over all checkpoints of all runs, as if they were independent."""
    x, y = (series.reshape(len(series), -1) for series in (histories.overlap, histories.transfer))
    return np.array([stats.pearsonr(a[np.isfinite(a)], b[np.isfinite(b)]).pvalue for a, b in zip(x, y, strict=True)])


def groups_that_share_seeds(n_groups: int, n_runs: int, n: int, generator: np.random.Generator) -> Iterator[Number]:
    """Groups half of whose variance is that of the seed: twins are permuted together; permuting them apart is naive."""
    statistic = STATISTICS["step_adjusted"]
    found: dict[str, list[float]] = {"twins_together": [], "naive_twins_apart": []}
    for _ in range(n):
        seeds = Setting("", clock=0.0, n_runs=n_runs).draw(1, generator)
        family = []
        for group in range(n_groups):
            own_part = Setting("", clock=0.0, n_runs=n_runs).draw(1, generator)
            mixed = replace(
                own_part,
                overlap=np.sqrt(0.5) * (own_part.overlap + seeds.overlap),
                transfer=np.sqrt(0.5) * (own_part.transfer + seeds.transfer),
            )
            family.append(panel(mixed, 0, f"g{group}"))
        found["twins_together"].append(combined([family], statistic).p)
        found["naive_twins_apart"].append(combined([[one] for one in family], statistic).p)
    for name, p in found.items():
        yield Number(f"{name}.groups{n_groups}.runs{n_runs}.rejection", float((np.array(p) <= ALPHA).mean()))


def kinds(spread: float, n: int, generator: np.random.Generator) -> Iterator[Number]:
    """Related groups against controls, both without a relation, where only their trends and clocks differ."""
    related, control = Setting("", monotone, 0.5, clock=spread), Setting("", hump, 0.5, clock=spread)
    found = []
    for _ in range(n):
        sides = [[panel(side.draw(1, generator), 0, f"g{i}") for i in range(2)] for side in (related, control)]
        found.append(contrast(*sides))
    p, low, high = (np.array([getattr(row, name) for row in found]) for name in ("p", "ci_low", "ci_high"))
    name = f"related_minus_control.clock{spread:g}.runs12"
    yield Number(f"{name}.rejection", float((p <= ALPHA).mean()))
    yield Number(f"{name}.coverage", float(((low <= 0) & (high >= 0)).mean()))


def jobs(n: int) -> list[Job]:
    """Everything that is simulated."""
    designs = [replace(setting, n_runs=n_runs) for setting in settings() for n_runs in N_RUNS]
    designs += [
        Setting("slopes2", slopes, 2.0, clock=0.0, n_runs=8),
        Setting("scale1", scale, 1.0, clock=0.0, n_runs=5),
    ]
    designs += [replace(setting, n_runs=n_runs) for setting in related_settings() for n_runs in (6, 12)]
    designs += [Setting("plain", clock=0.2, n_runs=n_runs, relation=r) for n_runs in (6, 12) for r in (0.35, 0.5)]
    found: list[Job] = [partial(evidence, design, n) for design in designs]
    found += [partial(groups_that_share_seeds, *sizes, min(n, 400)) for sizes in ((3, 6), (6, 4))]
    return [*found, *(partial(kinds, spread, min(n, 400)) for spread in (0.0, 0.2))]
