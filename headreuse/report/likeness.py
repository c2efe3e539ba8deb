"""How alike the heads of main and its auxiliaries are at checkpoints that are given, at the end and on the way."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from headreuse.correlation.estimate import ALPHA
from headreuse.overlap import OVERLAP_METRICS
from headreuse.report.inputs import ReportInputs
from headreuse.report.pairs import Pair, pairs_of, run_named, shared_heads
from headreuse.report.wording import listed, signed
from headreuse.report.words import is_given

MOST_PAIRS = 6
"""Of a study; more are left to the figures."""


def likeness(inputs: ReportInputs) -> list[str]:
    """What is found of the groups whose checkpoints are given; empty where there is none."""
    groups = [group for group in inputs.study.groups if is_given(group) and group.auxiliary]
    pairs = [pair for group in groups for pair in pairs_of(inputs, group)]
    told = [line for pair in pairs[:MOST_PAIRS] for line in _told(inputs, pair)]
    more = [f"{len(pairs) - MOST_PAIRS} more pairs of tasks are shown below."] if len(pairs) > MOST_PAIRS else []
    return [*told, *more]


def _told(inputs: ReportInputs, pair: Pair) -> Iterator[str]:
    if not len(pair.usable):
        end = pair.rows.iloc[-1]
        why = f"Why at step {end['step']:,}: {_reason(end)}."
        yield f"At no checkpoint can the heads of {pair.tasks} be compared. {why}"
        return
    yield f"{_where(pair)}, {pair.tasks} {_against_chance(pair)}{shared_heads(inputs, pair)}."
    yield _numbers(inputs, pair)
    yield from _change(inputs, pair)
    yield from _left_out(pair)


def _where(pair: Pair) -> str:
    last = pair.last
    if len(last) > 1:
        return f"At the last usable checkpoints of the {len(last)} runs of {pair.group.name}"
    return f"At the last usable checkpoint of {run_named(last.iloc[0]['seed'])} (step {last.iloc[0]['step']:,})"


def _against_chance(pair: Pair) -> str:
    last = pair.last
    tested = last["p_chance"].notna()
    beyond = int((last["p_chance"] <= ALPHA).sum())
    if not tested.any():
        return "have heads in common as follows"
    if len(last) == 1:
        return "need the same heads more than chance would have it" if beyond else (
            "do not need the same heads more than chance would have it"
        )  # fmt: skip
    return f"need the same heads more than chance would have it in {beyond} of {len(last)} runs"


def _numbers(inputs: ReportInputs, pair: Pair) -> str:
    last = pair.last
    middle = float(last["value"].median())
    if len(last) > 1:
        spread = f" in the median of {len(last)} runs ({signed(last['value'].min())} to {signed(last['value'].max())})"
    else:
        ends = last.iloc[0][["ci_low", "ci_high"]].to_numpy(float)
        interval = f" (95\N{NO-BREAK SPACE}% interval over prompts {signed(ends[0])} to {signed(ends[1])})"
        spread = interval if np.isfinite(ends).all() else ""
    beside = [
        f"{signed(float(last[column].median()))} {words}"
        for column, words in (
            ("chance", "would be chance"),
            ("noise_ceiling", "is as much as sampling noise allows"),
            ("noise_floor", "would come from sampling noise alone"),
        )
        if column in last and last[column].notna().any()
    ]
    return f"In numbers: {_measure(inputs)} is {signed(middle)}{spread}{'; ' if beside else ''}{listed(beside)}."


def _measure(inputs: ReportInputs) -> str:
    asked = inputs.study.question
    metric = str(asked.overlap)
    less = ", which is smaller the more alike they are," if OVERLAP_METRICS[metric].distance else ""
    of = f"head maps (effects on {asked.outcome.replace('_', ' ')})" if asked.outcome else "attention patterns"
    return f"the {metric.replace('_', ' ')} of their {of}{less}"


def _change(inputs: ReportInputs, pair: Pair) -> Iterator[str]:
    """From the first to the last usable checkpoint, and the extreme between them where it lies further out."""
    first, last = pair.first, pair.last
    if (first["step"].to_numpy() == last["step"].to_numpy()).all():
        return
    ends = [signed(float(rows["value"].median())) for rows in (first, last)]
    if len(last) > 1:
        yield f"From first to last usable checkpoint it goes from {ends[0]} to {ends[1]}, in the median of runs."
        return
    usable = pair.usable
    turned = _extreme(inputs, usable)
    steps = f"steps {usable['step'].iloc[0]:,} to {usable['step'].iloc[-1]:,}"
    yield f"Over the {len(usable)} usable checkpoints ({steps}) it goes from {ends[0]} to {ends[1]}{turned}."


def _extreme(inputs: ReportInputs, usable: pd.DataFrame) -> str:
    distance = OVERLAP_METRICS[str(inputs.study.question.overlap)].distance
    best = usable.iloc[int((usable["value"] if distance else -usable["value"]).argmin())]
    if best["step"] in (usable["step"].iloc[0], usable["step"].iloc[-1]):
        return ""
    return f"; the tasks were most alike at step {best['step']:,} ({signed(float(best['value']))})"


def _left_out(pair: Pair) -> Iterator[str]:
    left = pair.rows[~pair.rows.index.isin(pair.usable.index)]
    if len(left):
        end = left.iloc[-1]
        yield (
            f"At {len(left)} of {len(pair.rows)} checkpoints it cannot be used. Why at the last of them, step "
            f"{end['step']:,}: {_reason(end)}."
        )


def _reason(row: pd.Series) -> str:
    reason = row.get("reason")
    return reason.removeprefix("floor: ") if isinstance(reason, str) and reason else "it is not defined"
