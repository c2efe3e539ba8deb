"""Main and one auxiliary of a group: their overlap at the checkpoints that count, and the heads that they share."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from headreuse.figures.measures import with_measure
from headreuse.figures.trajectories import pairs_of_main
from headreuse.report.inputs import ReportInputs
from headreuse.report.wording import listed
from headreuse.study.group import Group
from headreuse.study.measure_spec import outcome_of

MOST_NAMED = 3
"""Runs whose shared heads are named."""


@dataclass(frozen=True)
class Pair:
    """Main and one auxiliary of a group, by the study's overlap measure."""

    group: Group
    other: str
    rows: pd.DataFrame
    """Of the overlap table, by run and step."""

    @property
    def usable(self) -> pd.DataFrame:
        """The rows that count."""
        return self.rows[self.rows["usable"].astype(bool) & self.rows["value"].notna()]

    @property
    def last(self) -> pd.DataFrame:
        """The last usable row of each run."""
        return self.usable.groupby("seed", sort=False).tail(1)

    @property
    def first(self) -> pd.DataFrame:
        """The first usable row of each run."""
        return self.usable.groupby("seed", sort=False).head(1)

    @property
    def tasks(self) -> str:
        """Both names."""
        return f"{self.group.main.task} and {self.other}"


def pairs_of(inputs: ReportInputs, group: Group) -> Iterator[Pair]:
    """Main with each auxiliary that it has been compared with."""
    rows = _asked(inputs, group)
    for entry in group.auxiliary:
        found = rows[rows["task_b"] == entry.task].sort_values("step", kind="stable") if len(rows) else rows
        if len(found):
            yield Pair(group, entry.task, found)


def mean_overlap(inputs: ReportInputs, group: Group) -> pd.DataFrame:
    """The overlap that the study asks about, mean over main's auxiliaries, where it is usable for all of them.

    Columns: group, seed, step, overlap, noise_floor.
    """
    columns, rows = ["group", "seed", "step", "overlap", "noise_floor"], _asked(inputs, group)
    if not len(rows):
        return pd.DataFrame(columns=columns)
    rows = rows.assign(noise_floor=rows.get("noise_floor", np.nan))
    whole = {"overlap": ("value", "mean"), "noise_floor": ("noise_floor", "mean"), "usable": ("usable", "all")}
    means = rows.groupby(["seed", "step"], sort=False).agg(**whole).reset_index()
    usable = means[means["usable"].astype(bool) & means["overlap"].notna()]
    return usable.assign(group=group.name)[columns]


def overlap_at_the_end(inputs: ReportInputs, group: Group) -> pd.DataFrame:
    """`mean_overlap` at each run's last usable checkpoint."""
    means = mean_overlap(inputs, group)
    return means[means["step"] == means.groupby("seed")["step"].transform("max")]


def asked_measure(inputs: ReportInputs, overlap: pd.DataFrame) -> str:
    """What the study's overlap is called among the measures of these rows; empty where it is not there."""
    kinds = [name for name in ("metric", "outcome", "method") if name in overlap]
    named, asked = with_measure(overlap[kinds].drop_duplicates()), inputs.study.question
    for column, value in (("metric", asked.overlap), ("method", asked.method), ("outcome", asked.outcome)):
        named = named[named[column] == value] if value is not None else named
    return str(named["measure"].iloc[0]) if len(named) else ""


def _asked(inputs: ReportInputs, group: Group) -> pd.DataFrame:
    """The rows of main with its auxiliaries, by the overlap that the study asks about."""
    rows, asked = inputs.of_group("overlap", group), inputs.study.question
    if not len(rows):
        return rows
    rows = pairs_of_main(rows[rows["metric"] == asked.overlap], group.main.task)
    for column, value in (("method", asked.method), ("outcome", asked.outcome)):
        rows = rows[rows[column] == value] if value is not None else rows
    return rows


def heads_in_common(inputs: ReportInputs, pair: Pair) -> dict[Hashable, list[str]]:
    """By run, the heads that are among the top of both tasks at its last usable checkpoint, by name."""
    scores, last = inputs.of_group("head_scores", pair.group), pair.last
    if not len(scores):
        return {}
    method = inputs.study.question.method or inputs.study.headline_method
    outcome = inputs.study.question.outcome or outcome_of(method)
    here = (scores["method"] == method) & (scores["outcome"] == outcome) & scores["step"].isin(last["step"])
    found = {row["seed"]: _top(scores[here], pair, row, inputs.study.measures.top_k) for row in last.to_dict("records")}
    return {seed: heads for seed, heads in found.items() if heads is not None}


def shared_heads(inputs: ReportInputs, pair: Pair) -> str:
    """These heads, in words."""
    k, known = inputs.study.measures.top_k, heads_in_common(inputs, pair)
    if not known:
        return ""
    if len(known) == 1:
        (heads,) = known.values()
        return f"; of the {k} heads that each needs most they share {_named(heads)}"
    named = [f"{_named(heads)} in {run_named(seed)}" for seed, heads in list(known.items())[:MOST_NAMED]]
    more = ", and so on" if len(known) > MOST_NAMED else ""
    return f"; of the {k} heads that each needs most they share {listed(named)}{more}"


def _top(scores: pd.DataFrame, pair: Pair, row: Mapping[Hashable, Any], k: int) -> list[str] | None:
    """Heads with one of the `k` largest effects on both tasks, by layer and number; None without head scores."""
    here = (scores["seed"] == row["seed"]) & (scores["step"] == row["step"])
    tops = []
    for task in (pair.group.main.task, pair.other):
        of_task = scores[here & (scores["task"] == task)].nlargest(k, "effect")
        tops.append(dict.fromkeys(zip(of_task["layer"], of_task["head"], strict=True)))
    if not all(tops):
        return None
    return [f"{layer}.{head}" for layer, head in tops[0] if (layer, head) in tops[1]]


def _named(heads: list[str]) -> str:
    return listed(heads) or "none"


def run_named(label: object) -> str:
    """`seed 0`, or the name of a run that has one."""
    return f"seed {label}" if str(label).isdigit() else str(label)
