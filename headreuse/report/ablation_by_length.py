"""Do the heads that main shares with an auxiliary carry it beyond its own length? The answer, a figure and numbers."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from headreuse import figures
from headreuse.correlation.wording import counted
from headreuse.report.exhibits import Exhibit
from headreuse.report.inputs import ReportInputs
from headreuse.report.tables import table
from headreuse.report.wording import listed, percent
from headreuse.study.group import Group
from headreuse.tables.seeds import over_seeds

OUTCOME = "exact_match"
OWN, BEYOND = "own lengths", "beyond"
WORTH_LOSING = 0.05
"""Where main is right on less than this share of the prompts, nothing that is ablated can cost much."""
SHOWN = [
    *("group", "auxiliary", "seed", "length", "ablated", "heads", "outcome", "baseline", "without", "loss"),
    *("ci_low", "ci_high", "n_sets", "random", "random_low", "random_high", "random_share"),
]
SUMMARY = [
    *("group", "auxiliary", "ablated", "lengths", "measure", "median", "low", "high", "ci_low", "ci_high"),
    *("confidence", "n_seeds"),
]
OF_SUMMARY = (
    "Each seed is one observation, whose losses in exact match are averaged over main's own lengths, or over those "
    "beyond them up to the end of the transfer range. Random: the mean loss without other sets that have as many heads "
    "in each layer. Excess: loss less random. Seeds in which a set has no head are left out. An interval takes 5 seeds."
)


def ablation_by_length(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Main without the heads that it shares, and without others, length by length: one figure for all groups."""
    rows = inputs.ablation_by_length
    if not len(rows):
        return
    rows = rows[rows["step"] == rows.groupby(["group", "seed"])["step"].transform("max")]
    rows = rows.assign(auxiliary=rows["auxiliary"].fillna(""))
    groups = [group for group in inputs.study.groups if group.auxiliary and (rows["group"] == group.name).any()]
    pairs = [
        figures.PairOfTasks(group.name, entry.task, group.main.max_length, _sharing(rows, group, entry.task))
        for group in groups
        for entry in group.auxiliary
    ]
    if not pairs:
        return
    summary = over_ranges(rows, {group.name: group.main.max_length for group in groups})
    yield Exhibit(
        "ablation-by-length",
        "Main without heads that it shares, length by length",
        " ".join([*answer(summary, groups), "The dotted line is main's longest training length. Heads write their mean "
                  "over prompts of the same length, so that each length is compared with itself."]),
        figures.ablation_by_length(rows, pairs),
        (
            table(summary, SUMMARY, title="Over seeds", caption=OF_SUMMARY),
            table(rows[rows["outcome"].isin([OUTCOME, "log_prob"])], SHOWN),
        ),
        is_wide=True,
    )  # fmt: skip


def over_ranges(rows: pd.DataFrame, trained_to: Mapping[str, int]) -> pd.DataFrame:
    """Loss, that of other sets, and the excess of one over the other, median over seeds: columns `SUMMARY`.

    Args:
        rows: of the `ablation_by_length` table, one step of each run.
        trained_to: main's longest training length by group; other groups are left out.
    """
    here = rows[(rows["outcome"] == OUTCOME) & (rows["n_heads"] > 0) & rows["group"].isin(trained_to)]
    lengths = np.where(here["length"] > here["group"].map(dict(trained_to)), BEYOND, OWN)
    values = {"loss": here["loss"], "random": here["random"], "excess": here["loss"] - here["random"]}
    by = ["group", "auxiliary", "ablated", "lengths"]
    per_length = here.assign(lengths=lengths, **values, untouched=here["baseline"])
    return over_seeds(per_length, by=by, values=[*values, "untouched"])


def answer(summary: pd.DataFrame, groups: list[Group]) -> Iterator[str]:
    """What each group says; those in which there is nothing to lose, in one sentence."""
    idle = []
    for group in groups:
        beyond = summary[(summary["group"] == group.name) & (summary["lengths"] == BEYOND)]
        right = beyond.loc[beyond["measure"] == "untouched", "median"].max()
        if right < WORTH_LOSING:
            idle.append(group.name)
        else:
            where = f"{group.name}: beyond length {group.main.max_length}"
            yield f"{where}, main is right on {percent(right)} of the prompts."
            yield from _sentences(beyond, group)
    if idle:
        yield (
            f"In {listed(idle)} main is right on less than {percent(WORTH_LOSING)} of the prompts beyond its own "
            "lengths, so that there is nothing to lose."
        )


def _sentences(beyond: pd.DataFrame, group: Group) -> Iterator[str]:
    """One for each auxiliary."""
    for entry in group.auxiliary:
        of_kind = {
            kind: {str(row["measure"]): row for row in rows.to_dict("records")}
            for kind, rows in beyond[beyond["auxiliary"] == entry.task].groupby("ablated")
        }
        if "shared" not in of_kind:
            yield f"In no seed does it share a top head with {entry.task}."
            continue
        shared, own = of_kind["shared"], of_kind.get("main_only")
        yield f"Without the heads that it shares with {entry.task} it loses {_of(shared)} ({_certainty(shared)})."
        if own:
            yield f"Without the heads of its own alone it loses {_of(own)}."


def _of(rows: Mapping[str, Mapping[Any, Any]]) -> str:
    """The loss beside that of other sets, where there are any."""
    loss, random = rows["loss"]["median"], rows["random"]["median"]
    beside = "" if np.isnan(random) else f", without as many others of the same layers {percent(random)}"
    return f"{percent(loss)} of all prompts{beside}"


def _certainty(rows: Mapping[str, Mapping[Any, Any]]) -> str:
    excess = rows["excess"]
    seeds = f"median of {counted(int(rows['loss']['n_seeds']), 'seed')}"
    if np.isnan(excess["ci_low"]):
        return f"{seeds}: too few for an interval"
    return f"{seeds}; {percent(excess['ci_low'])} to {percent(excess['ci_high'])} more than other heads"


def _sharing(rows: pd.DataFrame, group: Group, auxiliary: str) -> str:
    """How many seeds have a head in both top sets."""
    here = rows[(rows["group"] == group.name) & (rows["auxiliary"] == auxiliary) & (rows["ablated"] == "shared")]
    sizes = here.groupby("seed")["n_heads"].first()
    return f"{int((sizes > 0).sum())} of {counted(len(sizes), 'seed')} share a top head"
