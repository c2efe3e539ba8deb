"""What was asked and what the numbers say, in plain sentences that never say more than the numbers do."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from headreuse.config import Group, Study
from headreuse.report.inputs import ReportInputs

HEADLINE = {"overlap_metric": "ablation_map_difference", "transfer_metric": "gap", "outcome": "exact_match"}
"""What the answer is taken from: the published measures."""
MAX_GROUPS_NAMED = 3
SEEDS_TO_TEST = 4
"""Pairing one seed's overlap with another's transfer cannot reach the 5 % level with fewer."""
NUMBER_WORDS = {1: "One", 2: "Two", 3: "Three"}


def asked(study: Study) -> list[str]:
    """The question, then one sentence for each group."""
    question = (
        "Does a main task that is trained on short inputs extrapolate because of an auxiliary task that is trained on "
        "longer ones, and does that go with the two using the same attention heads?"
    )
    return [question, *(_described(group) for group in study.groups)]


def answer(inputs: ReportInputs) -> list[str]:
    """How far main extrapolates at the end, related against control; and how overlap goes with the gap."""
    return [_transfer_sentence(inputs), _correlation_sentence(inputs)]


def caveats(inputs: ReportInputs) -> list[str]:
    """What the numbers cannot say."""
    return [
        _seeds_sentence(inputs),
        "Checkpoints of one run are autocorrelated: nearly everything trends while a model trains, so two series move "
        "together without any relation. No p-value over checkpoints is printed, and an interval that takes checkpoints "
        "as independent is too narrow.",
        "Overlap is correlational: that two tasks need the same heads does not show that sharing them causes transfer.",
        *_usable_sentence(inputs),
        *_problems_sentence(inputs),
    ]


def _described(group: Group) -> str:
    kind = "Related" if group.kind == "related" else "Control"
    auxiliary = _listed([f"{entry.task} (to {entry.max_length})" for entry in group.auxiliary]) or "nothing else"
    return f"{kind} group {group.name}: {group.main.task} (trained to length {group.main.max_length}) with {auxiliary}."


def _transfer_sentence(inputs: ReportInputs) -> str:
    parts = []
    for kind in ("related", "control"):
        groups = [group for group in inputs.study.groups if group.kind == kind]
        values = {group.name: _final(inputs, group) for group in groups}
        if len(groups) > MAX_GROUPS_NAMED:
            parts.append(_many_groups(values, kind))
        else:
            parts += [_one_group(group, values[group.name]) for group in groups]
    return f"At the end of training, {_listed(parts, separator='; ')}."


def _final(inputs: ReportInputs, group: Group) -> np.ndarray:
    """Main's accuracy past its own training length at the last step, one value per seed where it is defined."""
    rows = inputs.of_group("transfer", group)
    if not len(rows):
        return np.empty(0)
    last = rows.loc[rows.groupby("seed")["step"].idxmax(), "accuracy_transfer"].to_numpy(float)
    return last[np.isfinite(last)]


def _one_group(group: Group, values: np.ndarray) -> str:
    others = _listed([entry.task for entry in group.auxiliary])
    who = f"{group.main.task} trained with {others or 'nothing else'} ({group.kind})"
    if group.max_length <= group.main.max_length:
        return f"{who} has no auxiliary with longer inputs, so there is nothing to transfer"
    lengths = f"lengths {group.main.max_length + 1} to {group.max_length}"
    if not values.size:
        return f"{who} has not been measured at {lengths}"
    return f"{who} is right on {_percent(values.mean())} of the prompts of {lengths} ({_spread(values)})"


def _many_groups(values: dict[str, np.ndarray], kind: str) -> str:
    means = np.array([value.mean() for value in values.values() if value.size])
    if not means.size:
        return f"none of the {len(values)} {kind} groups has been measured past main's training length"
    return (
        f"main is right on {_percent(np.median(means))} of the prompts between its own training length and the "
        f"auxiliary's in the median of {means.size} {kind} groups ({_percent(means.min())} to {_percent(means.max())})"
    )


def _spread(values: np.ndarray) -> str:
    if values.size == 1:
        return "one seed"
    return f"mean of {values.size} seeds, {_percent(values.min())} to {_percent(values.max())}"


def _correlation_sentence(inputs: ReportInputs) -> str:
    told = "the generalization gap and the ablation-map difference"
    rows = _headline(inputs.correlation)
    found = {row.group: row for row in rows.itertuples() if np.isfinite(row.value)}
    groups = [group for group in inputs.study.groups if group.auxiliary]
    if not found:
        return f"Whether {told} go together within a run could not be estimated from the usable checkpoints."
    if len(groups) > 2 * MAX_GROUPS_NAMED:
        parts = _ranges(groups, {name: row.value for name, row in found.items()})
    else:
        parts = [_estimate(found[group.name], group) for group in groups if group.name in found]
        missing = [group.name for group in groups if group.name not in found]
        parts += [f"cannot be estimated in {_listed(missing)}"] if missing else []
    return f"Over the checkpoints of a run, the correlation of {told} is {_listed(parts)}.{_contrast(found, groups)}"


def _headline(correlation: pd.DataFrame) -> pd.DataFrame:
    """The within-run estimate of the published measures, one row per group."""
    if not len(correlation):
        return pd.DataFrame(columns=["group", "value"])
    keep = correlation["statistic"].str.startswith("within")
    for name, value in HEADLINE.items():
        keep &= (correlation[name] == value) if name in correlation else True
    return correlation[keep].drop_duplicates("group")


def _estimate(row: object, group: Group) -> str:
    low, high = getattr(row, "ci_low", np.nan), getattr(row, "ci_high", np.nan)
    interval = f", 95 % interval {low:.2f} to {high:.2f}" if np.isfinite([low, high]).all() else ""
    n_runs, n_points = int(row.n_runs), int(row.n_points)  # type: ignore[attr-defined]
    runs = f"{n_runs} run{'s' * (n_runs != 1)}, {n_points} usable checkpoint{'s' * (n_points != 1)}"
    return f"{row.value:.2f} in {group.name} ({group.kind}; {runs}{interval})"  # type: ignore[attr-defined]


def _ranges(groups: Sequence[Group], values: dict[str, float]) -> list[str]:
    parts = []
    for kind in ("related", "control"):
        of_kind = np.array([values[group.name] for group in groups if group.kind == kind and group.name in values])
        if of_kind.size:
            median, low, high = np.median(of_kind), of_kind.min(), of_kind.max()
            parts.append(f"{median:.2f} in the median of {of_kind.size} {kind} groups ({low:.2f} to {high:.2f})")
    return parts


def _contrast(found: dict[str, object], groups: Sequence[Group]) -> str:
    """Whether one related and one control interval overlap; nothing where that cannot be said."""
    kinds = {group.kind: found[group.name] for group in groups if group.name in found}
    if len(groups) != 2 or set(kinds) != {"related", "control"}:
        return ""
    bounds = [(row.ci_low, row.ci_high) for row in (kinds["related"], kinds["control"])]  # type: ignore[attr-defined]
    if not np.isfinite(bounds).all():
        return ""
    (related_low, related_high), (control_low, control_high) = bounds
    if related_low <= control_high and control_low <= related_high:
        return " The two intervals overlap, so this study does not tell the two groups apart in this."
    return " The two intervals do not overlap."


def _seeds_sentence(inputs: ReportInputs) -> str:
    n_seeds = len(inputs.study.seeds)
    if n_seeds >= SEEDS_TO_TEST:
        return f"The unit of replication is the seed; there are {n_seeds} in each group."
    verb = "describes, it does" if n_seeds == 1 else "describe, they do"
    return (
        f"{NUMBER_WORDS[n_seeds]} seed{'s' * (n_seeds > 1)} {verb} not test: the seed is the unit of replication, and "
        f"at least {SEEDS_TO_TEST} are needed before a difference between seeds can be told from chance."
    )


def _usable_sentence(inputs: ReportInputs) -> list[str]:
    if not len(inputs.overlap):
        return []
    usable = inputs.overlap.groupby(["group", "seed", "step"])["usable"].any().astype(bool)
    if usable.all():
        return []
    floor = inputs.study.measures.baseline_floor
    where = f"{int((~usable).sum())} of {len(usable)} checkpoints"
    return [
        f"At {where} no overlap is usable, mostly because a task's own accuracy is below {floor:g} and there is "
        "nothing to lose; they are hollow in the figures and enter no estimate."
    ]


def _problems_sentence(inputs: ReportInputs) -> list[str]:
    n = len(inputs.problems)
    return [f"{n} thing{'s' * (n != 1)} failed or {'were' if n != 1 else 'was'} skipped; see the end."] if n else []


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if value == 0 or value >= 0.01 else f"{100 * value:.1g} %"


def _listed(parts: Sequence[str], *, separator: str = ", ") -> str:
    """`a`, `a and b`, `a, b and c`; with another separator it stands between all."""
    if separator != ", " or len(parts) < 2:
        return separator.join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
