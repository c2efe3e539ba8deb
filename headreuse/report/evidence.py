"""Does transfer go with overlap? The answer of the correlation report, no stronger than its tests allow."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from headreuse.correlation import detectable_correlation, panels, residual_autocorrelation, smallest_p
from headreuse.correlation.estimate import ALPHA
from headreuse.correlation.panels import Panel
from headreuse.correlation.table import ALL_GROUPS, CONTRAST
from headreuse.correlation.wording import counted
from headreuse.report.answer import HEADLINE, KINDS, MAX_GROUPS_NAMED, OUTCOME, correlation_sentence
from headreuse.report.caveats import SEEDS_TO_TEST, general_caveats
from headreuse.report.inputs import ReportInputs
from headreuse.report.wording import listed, signed
from headreuse.study.streams import Stream

TESTED = "step_adjusted"
"""The statistic whose p the answer uses: what is left without the trend that all seeds share."""
N_SIMULATIONS = 200
"""Of the power; its Monte-Carlo error is then about 0.02, and a page does not take long."""
FOUND = "a seed whose heads become more alike than other seeds' has a smaller gap than theirs"
OPPOSITE = (
    "a seed whose heads become more alike than other seeds' has a larger gap, the opposite of what reuse predicts"
)
NOT_FOUND = "no relation beyond the trend that all seeds share was found, which does not exclude a weak one"

Entry = Mapping[Hashable, Any]
"""A row of the correlation table."""


def evidence(inputs: ReportInputs) -> list[str]:
    """What the tests say, related against control, then the estimates; of the published overlap with the gap."""
    rows = headline_rows(inputs.correlation)
    return [" ".join(_tested(rows)), *_contrasted(rows, inputs), correlation_sentence(inputs), *_over_groups(rows)]


def limits(inputs: ReportInputs) -> list[str]:
    """What could have been found, and the general caveats."""
    return [*_power(inputs), *general_caveats(inputs)]


def headline_rows(correlation: pd.DataFrame) -> pd.DataFrame:
    """The rows of the published ablation-map difference with the gap, of every group and statistic."""
    if not len(correlation):
        return pd.DataFrame(columns=["group", "kind", "statistic", "value", "p", "q", "n_runs", "n_points", "note"])
    wanted = {name: HEADLINE[name] for name in ("overlap_metric", "transfer_metric")}
    if "outcome" in correlation:
        wanted["outcome"] = OUTCOME
    keep = np.logical_and.reduce([correlation[name] == value for name, value in wanted.items()])
    return correlation[keep]


def _tested(rows: pd.DataFrame) -> list[str]:
    """What the seed-permutation tests say, related groups first; or that there are none."""
    tests = rows[(rows["statistic"] == TESTED) & rows["p"].notna()]
    together = rows[rows["group"].isin(ALL_GROUPS.values()) & rows["p"].notna()]
    if not len(tests) and not len(together):
        return [f"Not tested: {_why_untested(rows)}. What follows describes these runs and does not go beyond them."]
    sentences = [f"Tested, beyond {_beyond()}:"]
    for kind in KINDS:
        sentences += [_together(row) for row in together[together["group"] == ALL_GROUPS[kind]].to_dict("records")]
        of_kind = tests[tests["kind"] == kind]
        if len(of_kind) > MAX_GROUPS_NAMED:
            sentences.append(_many(of_kind, kind))
        else:
            sentences += [_one(row) for row in of_kind.to_dict("records")]
    return sentences


def _beyond() -> str:
    return "what any other seed of the group would show, by pairing each seed's overlap with other seeds' gaps"


def _why_untested(rows: pd.DataFrame) -> str:
    if not len(rows):
        return "there is no correlation of the published ablation-map difference with the gap"
    of_groups = rows[rows["statistic"] == TESTED]
    most = int(of_groups["n_runs"].max()) if len(of_groups) else 0
    if most < SEEDS_TO_TEST:
        return (
            f"it takes {SEEDS_TO_TEST} seeds of a group (or several groups of 3) to distinguish a relation of transfer "
            f"with head overlap from a common trend, and no group has more than {most} here"
        )
    reasons = list(dict.fromkeys(str(note) for note in of_groups["note"] if isinstance(note, str) and note))
    return listed(reasons) or "no group has enough usable checkpoints"


def _one(row: Entry) -> str:
    return f"In {row['group']} ({row['kind']}), {_finding(row)} ({_numbers(row)})."


def _together(row: Entry) -> str:
    return f"Over {row['group']} together, {_finding(row)} ({_numbers(row)}, seeds permuted within each group)."


def _finding(row: Entry) -> str:
    if float(row["p"]) > ALPHA:
        return NOT_FOUND
    return FOUND if float(row["value"]) > 0 else OPPOSITE


def _numbers(row: Entry) -> str:
    value, p, q = (float(row[name]) for name in ("value", "p", "q"))
    parts = [f"correlation {signed(value)}", f"p = {p:.2g}"]
    if np.isfinite(q):
        parts.append(f"q = {q:.2g} over all measures")
    return ", ".join([*parts, counted(int(row["n_runs"]), "run"), counted(int(row["n_points"]), "usable checkpoint")])


def _many(rows: pd.DataFrame, kind: str) -> str:
    n_found = int(((rows["p"] <= ALPHA) & (rows["value"] > 0)).sum())
    n_opposite = int(((rows["p"] <= ALPHA) & (rows["value"] < 0)).sum())
    values = rows["value"].to_numpy(float)
    whole = counted(len(rows), f"{kind} group")
    return (
        f"In {n_found} of {whole} {FOUND} with p ≤ {ALPHA:g}, in {n_opposite} a larger one "
        f"(chance alone gives about {ALPHA * len(rows) / 2:.1f} of each; median correlation "
        f"{signed(float(np.median(values)))}, {signed(values.min())} to {signed(values.max())})."
    )


def _contrasted(rows: pd.DataFrame, inputs: ReportInputs) -> list[str]:
    """Related groups against controls, where the study has both."""
    missing = [kind for kind in KINDS if kind not in {entry.kind for entry in inputs.study.groups if entry.auxiliary}]
    if missing:
        return [f"There is no {' and no '.join(missing)} group with an auxiliary, so kinds cannot be compared."]
    found = rows[(rows["group"] == CONTRAST) & rows["value"].notna()]
    if not len(found):
        return ["Related groups cannot be compared with controls: the correlation is not defined in two runs of each."]
    row = found.iloc[0]
    apart = "higher" if row["value"] >= 0 else "lower"
    finding = f"The correlation within runs is {abs(row['value']):.2f} {apart} in related groups than in controls"
    if not np.isfinite([row["ci_low"], row["ci_high"]]).all():
        return [f"{finding}; that describes these runs ({row['note'] or 'no interval can be given'})."]
    ends = (
        f"95\N{NO-BREAK SPACE}% interval of related minus control {signed(row['ci_low'])} to {signed(row['ci_high'])}"
    )
    if row["ci_low"] <= 0 <= row["ci_high"]:
        return [f"{finding} ({ends}, which includes 0): these runs do not settle whether the two kinds differ."]
    return [f"{finding} ({ends}, which excludes 0): these groups differ; other groups may not."]


def _over_groups(rows: pd.DataFrame) -> list[str]:
    """Whether groups that share more heads end with a smaller gap, where there are enough groups to test it."""
    return [
        f"Over {int(row['n_points'])} groups, the ablation-map difference and the gap at the end have the rank "
        f"correlation {signed(row['value'])} (p = {row['p']:.2g} by permuting groups)."
        for row in rows[(rows["statistic"] == "between_group") & rows["p"].notna()].to_dict("records")
    ]


def _power(inputs: ReportInputs) -> list[str]:
    """What could have been detected in the group with the most runs; empty where no group has any."""
    if not (len(inputs.overlap) and len(inputs.transfer)):
        return []
    overlap = inputs.overlap[inputs.overlap["metric"] == HEADLINE["overlap_metric"]]
    overlap = overlap[overlap["outcome"] == OUTCOME] if "outcome" in overlap else overlap
    found = [
        panel
        for panel in panels(overlap, inputs.transfer, inputs.study.groups)
        if panel.transfer_metric == HEADLINE["transfer_metric"] and len(panel.seeds)
    ]
    if not found:
        return []
    largest = max(found, key=lambda panel: (len(panel.seeds), len(panel.common().steps)))
    return [f"Power, in {largest.group} alone: {_power_of(largest, inputs.study.data_seed)}"]


def _power_of(panel: Panel, seed: int) -> str:
    n_runs, n_steps = len(panel.seeds), len(panel.common().steps)
    autocorrelation = residual_autocorrelation(panel)
    if smallest_p(n_runs) <= ALPHA and np.isnan(autocorrelation):
        return f"{counted(n_runs, 'run')}, but too few steps count in every one of them to say what could be detected."
    generator = Stream.POWER.generator(seed)
    return str(detectable_correlation(n_runs, n_steps, autocorrelation, generator, n_simulations=N_SIMULATIONS))
