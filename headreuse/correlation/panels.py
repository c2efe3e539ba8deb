"""Overlap and transfer of the runs of a group, checkpoint by checkpoint: what every estimate starts from."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Shaped

from headreuse.overlap import OVERLAP_METRICS
from headreuse.study.group import Group
from headreuse.study.transfer_rows import OF_ACCURACY, measures_among

MEASURE = ["metric", "method", "outcome"]
"""The columns of the `overlap` table that say what an overlap was measured with."""

MEASURE_COLUMNS = ("overlap_metric", "method", "outcome", "transfer_metric")
"""The columns of the `correlation` table that name the two measures that are correlated."""

NEGATIVE_CONTROLS = ("main_accuracy", "auxiliary_accuracy", "training_loss")
"""What stands in the place of overlap in a negative control: it holds no head, and moves with the clock of a run."""
NO_OVERLAP = "negative control"
"""The `method` of these rows."""


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
    all_steps: Int[np.ndarray, "any_step"]
    """Every step at which these accuracies were measured, also where the overlap is not usable."""
    main_accuracy: Float[np.ndarray, "run any_step"]
    """Main's accuracy at these, which tells how far a run has learned."""
    auxiliary_accuracy: Float[np.ndarray, "run any_step"]

    @property
    def measure(self) -> tuple[str, ...]:
        """The values of `MEASURE_COLUMNS`."""
        return self.overlap_metric, self.method, self.outcome, self.transfer_metric

    @property
    def present(self) -> Bool[np.ndarray, "run step"]:
        """Which checkpoints count."""
        return np.isfinite(self.overlap)

    @property
    def sign_of_reuse(self) -> Literal[-1, 1]:
        """The sign of a correlation in which more sharing goes with more transfer; −1 for a similarity with the gap."""
        return sign_of_reuse(self.overlap_metric, self.transfer_metric)

    def of_runs(self, chosen: np.ndarray) -> "Panel":
        """The panel of some of its runs (indices, or one truth value for each run)."""
        names = ("seeds", "overlap", "transfer", "baselines", "main_accuracy", "auxiliary_accuracy")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})


def sign_of_reuse(overlap_metric: str, transfer_metric: str) -> Literal[-1, 1]:
    """The sign of a correlation of the two in which more sharing goes with more transfer."""
    is_overlap = overlap_metric not in NEGATIVE_CONTROLS and overlap_metric in OVERLAP_METRICS
    falls_with_sharing = OVERLAP_METRICS[overlap_metric].distance if is_overlap else overlap_metric == "training_loss"
    return 1 if falls_with_sharing == (transfer_metric == "gap") else -1


def panels(
    overlap: pd.DataFrame, transfer: pd.DataFrame, groups: Sequence[Group], training_log: pd.DataFrame | None = None
) -> Iterator[Panel]:
    """Every pairing of an overlap measure with a transfer measure, group by group; then the negative controls.

    Overlap is that of main with its auxiliaries, and their mean where there are several; a checkpoint counts where
    all of them are usable and both measures are defined. Runs without any such checkpoint are left out. A negative
    control has an accuracy (or the training loss, from `training_log`) in the place of overlap, at all checkpoints at
    which any overlap of the group counts.
    """
    for group in groups:
        rows = overlap[(overlap["group"] == group.name) & (overlap["task_a"] == group.main.task)]
        of_group = transfer[transfer["group"] == group.name].set_index(["seed", "step"])
        measured_transfer = of_group[list(transfer_measures(of_group, group))]
        accuracies = accuracies_of(rows)
        learning = learning_of(rows, training_log, group)
        measured = {
            tuple(map(str, measure)): _mean_over_auxiliaries(found)
            for measure, found in rows.groupby(MEASURE, sort=False)
        }
        controls = _negative_controls(measured.values(), accuracies, _training_loss(training_log, group))
        for measure, values in (measured | controls).items():
            yield from _pairings(group.name, measure, values, measured_transfer, learning)


def transfer_measures(transfer: pd.DataFrame, group: Group) -> tuple[str, ...]:
    """The columns of a group's rows of the `transfer` table that tell its transfer.

    The gap and τ where its examples have lengths, and what a file gives for any of its checkpoints.
    """
    given = (name for name in measures_among(transfer.columns) if transfer[name].notna().any())
    return (*(OF_ACCURACY if group.has_lengths else ()), *given)


def _negative_controls(
    measured: Collection[pd.Series], accuracies: pd.DataFrame, loss: pd.Series
) -> dict[tuple[str, ...], pd.Series]:
    """What has values in the place of overlap, at the checkpoints at which any overlap counts."""
    if not measured:
        return {}
    usable = pd.concat(measured, axis=1).notna().any(axis=1)
    instead = zip(NEGATIVE_CONTROLS, (accuracies["main"], accuracies["auxiliary"], loss), strict=True)
    found = {
        (name, NO_OVERLAP, "loss" if name == "training_loss" else "accuracy"): series.reindex(usable.index).where(
            usable
        )
        for name, series in instead
    }
    return {measure: values for measure, values in found.items() if values.notna().any()}


def _mean_over_auxiliaries(rows: pd.DataFrame) -> pd.Series:
    """Overlap by seed and step; NaN where any auxiliary's is not usable."""
    by_checkpoint = rows.assign(value=rows["value"].where(rows["usable"].astype(bool))).groupby(["seed", "step"])
    complete = by_checkpoint["value"].count() == by_checkpoint.size()
    return by_checkpoint["value"].mean().where(complete)


def accuracies_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns `main` and `auxiliary` (mean over auxiliaries) by seed and step, at the length of the head scores.

    Args:
        rows: of the `overlap` table, of one group's main task with its auxiliaries.
    """
    named = pd.DataFrame(
        {
            "seed": rows["seed"],
            "step": rows["step"],
            "task": rows["task_b"],
            "main": rows.get("baseline_a", np.nan),
            "auxiliary": rows.get("baseline_b", np.nan),
        }
    )
    of_tasks = named.groupby(["seed", "step", "task"])[["main", "auxiliary"]].mean()
    return of_tasks.groupby(["seed", "step"]).mean().astype(float)


def learning_of(rows: pd.DataFrame, training_log: pd.DataFrame | None, group: Group) -> pd.DataFrame:
    """`accuracies_of` the rows, and main's at the looks of the training log where no checkpoint was measured.

    So how soon a run learns is seen also where all its checkpoints come later. Looks at other lengths do not count.
    """
    accuracies = accuracies_of(rows)
    if training_log is None or not len(training_log):
        return accuracies
    here = (training_log["group"] == group.name) & (training_log["task"] == group.main.task)
    here &= (training_log["regime"] == "in_distribution") & training_log["length"].isin(rows["length"])
    looks = training_log[here].groupby(["seed", "step"])["accuracy"].mean()
    between = looks[~looks.index.isin(accuracies.index)].rename("main").to_frame()
    return pd.concat([accuracies, between]).sort_index() if len(between) else accuracies


def _training_loss(training_log: pd.DataFrame | None, group: Group) -> pd.Series:
    """Main's mean loss on its own lengths at the looks of the training log, by seed and step."""
    empty = pd.Series(dtype=float, index=pd.MultiIndex.from_arrays([[], []], names=["seed", "step"]))
    if training_log is None or not len(training_log):
        return empty
    here = (training_log["group"] == group.name) & (training_log["task"] == group.main.task)
    rows = training_log[here & (training_log["regime"] == "in_distribution")]
    return rows.groupby(["seed", "step"])["loss"].mean() if len(rows) else empty


def _pairings(
    group: str, measure: tuple[str, ...], values: pd.Series, transfer: pd.DataFrame, accuracies: pd.DataFrame
) -> Iterator[Panel]:
    merged = values.rename("overlap").to_frame().join(transfer, how="inner").join(accuracies, how="left")
    for transfer_metric in transfer.columns:
        yield _panel(group, measure, transfer_metric, merged, accuracies)


def _panel(
    group: str, measure: tuple[str, ...], transfer_metric: str, merged: pd.DataFrame, accuracies: pd.DataFrame
) -> Panel:
    overlap_metric, method, outcome = measure
    rows = merged[merged[["overlap", transfer_metric]].notna().all(axis=1)]
    overlap = _by_run(rows["overlap"])
    of_runs = accuracies[accuracies.index.get_level_values("seed").isin(overlap.index)]
    baselines = np.stack([_by_run(rows[name]).to_numpy(dtype=float) for name in ("main", "auxiliary")], axis=-1)
    main, auxiliary = (_by_run(of_runs[name]).reindex(overlap.index) for name in ("main", "auxiliary"))
    return Panel(
        group=group,
        overlap_metric=overlap_metric,
        method=method,
        outcome=outcome,
        transfer_metric=transfer_metric,
        seeds=overlap.index.to_numpy(),
        steps=overlap.columns.to_numpy(),
        overlap=overlap.to_numpy(dtype=float),
        transfer=_by_run(rows[transfer_metric]).to_numpy(dtype=float),
        baselines=baselines,
        all_steps=main.columns.to_numpy(),
        main_accuracy=main.to_numpy(dtype=float),
        auxiliary_accuracy=auxiliary.to_numpy(dtype=float),
    )


def _by_run(values: pd.Series) -> pd.DataFrame:
    return values.unstack("step").sort_index(axis=0).sort_index(axis=1)
