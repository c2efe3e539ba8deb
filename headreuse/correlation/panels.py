"""Overlap and transfer of the runs of a group, checkpoint by checkpoint: what every estimate starts from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Shaped

from headreuse.study.config import Group

TRANSFER_METRICS = ("gap", "transfer_fraction")
MEASURE = ["metric", "method", "outcome"]
"""The columns of the `overlap` table that say what an overlap was measured with."""

MEASURE_COLUMNS = ("overlap_metric", "method", "outcome", "transfer_metric")
"""The columns of the `correlation` table that name the two measures that are correlated."""


@dataclass(frozen=True)
class Panel:
    """One overlap measure and one transfer measure of a group at every checkpoint of its runs (one for each seed)."""

    group: str
    overlap_metric: str
    method: str
    outcome: str
    transfer_metric: str
    seeds: Shaped[np.ndarray, "run"]
    """The label of each run, from the tables' column `seed`: a number, or the name of a series."""
    steps: Int[np.ndarray, "step"]
    overlap: Float[np.ndarray, "run step"]
    """Mean over main's auxiliaries; NaN, here and in `transfer`, at checkpoints that are missing or not usable."""
    transfer: Float[np.ndarray, "run step"]
    baselines: Float[np.ndarray, "run step 2"]
    """Accuracy of main and mean accuracy of the auxiliaries at the length of the head scores."""

    @property
    def measure(self) -> tuple[str, ...]:
        """The values of `MEASURE_COLUMNS`."""
        return self.overlap_metric, self.method, self.outcome, self.transfer_metric

    @property
    def present(self) -> Bool[np.ndarray, "run step"]:
        """Which checkpoints count."""
        return np.isfinite(self.overlap)

    def of_runs(self, chosen: np.ndarray) -> "Panel":
        """The panel of some of its runs (indices, or one truth value for each run)."""
        return self._with(chosen, np.arange(len(self.steps)))

    def common(self) -> "Panel":
        """The panel at the steps that count in every run."""
        return self._with(np.arange(len(self.seeds)), np.flatnonzero(self.present.all(axis=0)))

    def _with(self, runs: np.ndarray, steps: np.ndarray) -> "Panel":
        return replace(
            self,
            seeds=self.seeds[runs],
            steps=self.steps[steps],
            overlap=self.overlap[runs][:, steps],
            transfer=self.transfer[runs][:, steps],
            baselines=self.baselines[runs][:, steps],
        )


def panels(overlap: pd.DataFrame, transfer: pd.DataFrame, groups: Sequence[Group]) -> Iterator[Panel]:
    """Every pairing of an overlap measure with a transfer measure, group by group.

    Overlap is that of main with its auxiliaries, and their mean where there are several; a checkpoint counts where
    all of them are usable and both measures are defined. Runs without any such checkpoint are left out.
    """
    for group in groups:
        rows = overlap[(overlap["group"] == group.name) & (overlap["task_a"] == group.main.task)]
        gaps = transfer[transfer["group"] == group.name].set_index(["seed", "step"])
        for measure, found in rows.groupby(MEASURE, sort=False):
            merged = _mean_over_auxiliaries(found).join(gaps[list(TRANSFER_METRICS)], how="inner")
            for transfer_metric in TRANSFER_METRICS:
                yield _panel(group.name, tuple(map(str, measure)), transfer_metric, merged)


def _mean_over_auxiliaries(rows: pd.DataFrame) -> pd.DataFrame:
    """Overlap and baselines by seed and step; overlap is NaN where any auxiliary's is not usable."""
    named = rows.assign(
        overlap=rows["value"].where(rows["usable"].astype(bool)),
        main=rows.get("baseline_a", np.nan),
        auxiliary=rows.get("baseline_b", np.nan),
    )
    by_checkpoint = named.groupby(["seed", "step"])
    means = by_checkpoint[["overlap", "main", "auxiliary"]].mean()
    complete = by_checkpoint["overlap"].count() == by_checkpoint.size()
    return means.assign(overlap=means["overlap"].where(complete))


def _panel(group: str, measure: tuple[str, ...], transfer_metric: str, merged: pd.DataFrame) -> Panel:
    overlap_metric, method, outcome = measure
    present = merged[["overlap", transfer_metric]].notna().all(axis=1)
    rows = merged[present]

    def series(column: str) -> pd.DataFrame:
        return rows[column].unstack("step").sort_index(axis=0).sort_index(axis=1)

    overlap = series("overlap")
    baselines = np.stack([series(name).to_numpy(dtype=float) for name in ("main", "auxiliary")], axis=-1)
    return Panel(
        group=group,
        overlap_metric=overlap_metric,
        method=method,
        outcome=outcome,
        transfer_metric=transfer_metric,
        seeds=overlap.index.to_numpy(),
        steps=overlap.columns.to_numpy(),
        overlap=overlap.to_numpy(dtype=float),
        transfer=series(transfer_metric).to_numpy(dtype=float),
        baselines=baselines,
    )
