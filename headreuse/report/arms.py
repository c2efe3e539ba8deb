"""What makes the difference: the arms of one entry of a study side by side, and what that says of a cause."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from headreuse import figures
from headreuse.report.exhibits import Exhibit
from headreuse.report.inputs import ReportInputs
from headreuse.report.tables import table
from headreuse.report.wording import listed, percent
from headreuse.study.group import Group
from headreuse.tables.differences import SIGNIFICANT

REACH = "accuracy_transfer"
"""Main's accuracy over the lengths that it was not trained on and its auxiliaries were."""
LEARNED = "accuracy_in_distribution"
WELL = 0.9
"""Main is learned where it is right on this share of the prompts of its own lengths."""
MOST_ARMS = 4
"""Whose medians a title has."""
SHOWN = [
    *("group_a", "group_b", "differs_in", "measure", "value_a", "value_b", "difference", "ci_low", "ci_high", "p"),
    *("least_p", "n_a", "n_b", "is_paired"),
]
OF_ARMS = (
    "Difference: a less b, the median over seeds. Paired: both arms of a seed start from the same weights, and p is "
    "the share of all choices of signs that give a mean difference as far from 0; else seeds are separate, and p is "
    "Wilcoxon's and Mann and Whitney's. Least p is the smallest that so many seeds can give. No p is corrected."
)


def arms(inputs: ReportInputs) -> Iterator[Exhibit]:
    """Main's accuracy beyond its own lengths in every arm: one figure for all families."""
    values = _values(inputs)
    if not len(values):
        return
    yield Exhibit(
        "arms-compared",
        "The same task, trained in other ways",
        "Is main right beyond its own lengths more often where the tasks have heads in common? Each grey line is one "
        "seed, which starts from the same weights in the arms that it joins; points without a line are other models.",
        figures.arms_by_seed(values, axis_title="accuracy in the transfer range"),
        (table(inputs.arms, SHOWN, title="Arms compared", caption=OF_ARMS),),
        is_wide=values["family"].nunique() > 1,
        shows=_medians(values),
    )


def _medians(values: pd.DataFrame) -> str:
    """Each arm's median, where a sentence holds them all."""
    by_arm = values.groupby("arm", sort=False)["value"].median()
    if values["family"].nunique() > 1 or len(by_arm) > MOST_ARMS:
        return ""
    return f"Main is right on {listed([f'{percent(value)} ({arm})' for arm, value in by_arm.items()])}"


def arm_name(group: Group, *, position: str = "", is_masked: bool = False) -> str:
    """What a group is among its family, in words.

    Args:
        position: how its models know positions, where that tells it from others.
        is_masked: whether others of its family are confined to some heads.
    """
    return " · ".join(filter(None, [_way(group, is_masked), position]))


def _way(group: Group, is_masked: bool) -> str:
    if not group.auxiliary:
        return "alone"
    if (share := shared(group)) is None:
        return "all heads" if is_masked else f"with {listed([entry.task for entry in group.auxiliary])}"
    return {0.0: "different heads", 1.0: "the same heads"}.get(share, f"{percent(share)} the same heads")


def shared(group: Group) -> float | None:
    """The share of main's heads that its auxiliaries may use, too; None where all tasks use all heads."""
    main = group.heads_of(group.main.task)
    if main is None or not group.auxiliary:
        return None
    others = {head for entry in group.auxiliary for head in group.heads_of(entry.task) or ()}
    return len(others.intersection(main)) / len(main)


def cause(inputs: ReportInputs) -> list[str]:
    """A plain sentence for each pair of groups of which one was made to share all its heads, the other none."""
    return [_sentence(inputs, *pair) for pair in _set_apart(inputs)]


def evidence_of_cause(inputs: ReportInputs) -> list[str]:
    """The test behind each of these sentences."""
    return [
        f"The same heads against different ones, {_task(same)}: a difference of {percent(difference)} of the prompts "
        f"(the median of {row['n_a']} seeds{_interval(row, sign)}), {_p(row)}. Both arms of a seed start from the same "
        "weights."
        for same, row, sign in _set_apart(inputs)
        for difference in [sign * row["difference"]]
    ]


def _set_apart(inputs: ReportInputs) -> Iterator[tuple[Group, Mapping[Any, Any], int]]:
    """Of each such pair the group whose tasks have the same heads, the pair's row, and 1 where that group is `a`."""
    rows = inputs.arms
    rows = rows[(rows["differs_in"] == "heads") & (rows["measure"] == REACH)] if len(rows) else rows
    for row in rows.to_dict("records"):
        a, b = (inputs.study.group(row[name]) for name in ("group_a", "group_b"))
        if (shared(a), shared(b)) == (1.0, 0.0):
            yield a, row, 1
        elif (shared(a), shared(b)) == (0.0, 1.0):
            yield b, row, -1


def _sentence(inputs: ReportInputs, same: Group, row: Mapping[Any, Any], sign: int) -> str:
    of_same, of_other = (row[name] for name in (("value_a", "value_b") if sign > 0 else ("value_b", "value_a")))
    lengths = f"lengths {same.main.max_length + 1} to {same.transfer_to}"
    return (
        f"{_verdict(row, sign)} {_task(same)} is right on {percent(of_same)} of the prompts of {lengths} where the "
        f"tasks were given the same heads, and on {percent(of_other)} where they were given different ones "
        f"({_seeds(row)}).{_unlearned(inputs, row)}"
    )


def _seeds(row: Mapping[Any, Any]) -> str:
    return "one seed" if row["n_a"] == 1 else f"the middle of {row['n_a']} seeds"


def _task(group: Group) -> str:
    others = listed([entry.task for entry in group.auxiliary])
    return f"{group.main.task} with {others}{' (control)' if group.kind == 'control' else ''}"


def _verdict(row: Mapping[Any, Any], sign: int) -> str:
    if np.isnan(row["p"]) or row["least_p"] > SIGNIFICANT:
        return "Sharing was set, and the seeds are too few to test what it does:"
    if row["p"] > SIGNIFICANT:
        return "Sharing was set, and what it does cannot be told from chance:"
    return "Sharing heads makes the difference:" if sign * row["difference"] > 0 else "Sharing heads is in the way:"


def _interval(row: Mapping[Any, Any], sign: int) -> str:
    if np.isnan(row["ci_low"]):
        return ""
    low, high = sorted((sign * row["ci_low"], sign * row["ci_high"]))
    return f", interval {percent(low)} to {percent(high)}"


def _p(row: Mapping[Any, Any]) -> str:
    return "one seed has no p" if np.isnan(row["p"]) else f"p {row['p']:.2g}, at least {row['least_p']:.2g}"


def _unlearned(inputs: ReportInputs, row: Mapping[Any, Any]) -> str:
    """Says where main is not even right on its own lengths, so that nothing could transfer."""
    rows = inputs.arms[inputs.arms["measure"] == LEARNED]
    pair = rows[(rows["group_a"] == row["group_a"]) & (rows["group_b"] == row["group_b"])]
    values = pair[["value_a", "value_b"]].to_numpy(float).ravel()
    if not values.size or values.min() >= WELL:
        return ""
    own = f"{percent(values.min())} to {percent(values.max())}"
    return f" On its own lengths it is right on {own}, so that not all is learned."


def _values(inputs: ReportInputs) -> pd.DataFrame:
    """Family, arm, seed, value and is_twin of every group that is compared with another."""
    names = set(inputs.arms["group_a"]) | set(inputs.arms["group_b"]) if len(inputs.arms) else set()
    groups = [group for group in inputs.study.groups if group.name in names]
    families = {group.twins: [other for other in groups if other.twins == group.twins] for group in groups}
    arms = {name: arm for members in families.values() for name, arm in _arm_names(inputs, members).items()}
    rows = [
        {
            "family": group.twins,
            "arm": arms[group.name],
            "order": _order(group),
            "seed": seed,
            "value": value,
            "is_twin": sum(other.task_names == group.task_names for other in families[group.twins]) > 1,
        }
        for group in groups
        for seed, value in _last(inputs, group).items()
    ]
    found = pd.DataFrame(rows).dropna(subset="value") if rows else pd.DataFrame(rows)
    return found.sort_values(["family", "order"], kind="stable") if len(found) else found


def _arm_names(inputs: ReportInputs, family: list[Group]) -> dict[str, str]:
    """What each group of a family is called: where words would give two of them one name, by its own."""
    positions, is_masked = _positions(inputs, family), any(group.heads for group in family)
    found = {
        group.name: arm_name(group, position=positions.get(group.name, ""), is_masked=is_masked) for group in family
    }
    n_called = Counter(found.values())
    return {name: arm if n_called[arm] == 1 else f"{arm} · {name}" for name, arm in found.items()}


def _positions(inputs: ReportInputs, family: list[Group]) -> dict[str, str]:
    """Each group's position encoding by its name; empty where all have the same."""
    found = {group.name: str(inputs.study.model_of(group).position) for group in family}
    return found if len(set(found.values())) > 1 else {}


def _order(group: Group) -> float:
    """Alone, then by the share of heads that is common, then without masks."""
    share = shared(group)
    return -1.0 if not group.auxiliary else 2.0 if share is None else share


def _last(inputs: ReportInputs, group: Group) -> pd.Series:
    rows = inputs.of_group("transfer", group)
    return rows.loc[rows.groupby("seed")["step"].idxmax()].set_index("seed")[REACH]
