"""The headline table of a study: how far main reaches in each group, how alike its heads are, and what was answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from headreuse.correlation.wording import counted
from headreuse.report.answer import at_the_end
from headreuse.report.findings import Finding, asked_findings
from headreuse.report.inputs import ReportInputs
from headreuse.report.pairs import overlap_at_the_end
from headreuse.report.words import measured_words, run_word
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.transfer_rows import OF_ACCURACY
from headreuse.tables.seeds import over_seeds

OF_LENGTHS = {"own_lengths": "accuracy_in_distribution", "transfer_range": "accuracy_transfer", "gap": "gap"}
"""Columns and those of the transfer table that they are means of."""
ANSWER = ("correlation", "p", "verdict")


@dataclass(frozen=True)
class Headline:
    """The table, and what it needs to be read alone."""

    rows: pd.DataFrame
    """A row for each group, and one for all related groups together where these answer the question. Columns: group,
    kind, runs, own_lengths, transfer_range, gap, the study's own measure of transfer, overlap, low, high, is_range (low
    and high are those of the runs, too few for an interval), noise_floor, correlation, p, verdict, is_primary; without
    those that are undefined everywhere."""
    caption: str


def headline(inputs: ReportInputs) -> Headline:
    """The table of a study."""
    findings = asked_findings(inputs)
    rows = [_of_group(inputs, group) | _answer(findings.pop(group.name, None)) for group in inputs.study.groups]
    rows += [
        {"group": name, "kind": finding.row["kind"]} | _answer(finding)
        for name, finding in findings.items()
        if finding.row["primary"]
    ]
    found = pd.DataFrame(rows)
    return Headline(found.dropna(axis="columns", how="all"), " ".join(_caption(inputs, found)))


def _of_group(inputs: ReportInputs, group: Group) -> dict[str, Any]:
    """What was measured of one group at the end of its runs: means of accuracies, medians of overlap."""
    n_runs = inputs.of_group("accuracy", group)["seed"].nunique() if len(inputs.accuracy) else 0
    found: dict[str, Any] = {"group": group.name, "kind": group.kind, "runs": n_runs}
    if group.has_lengths:
        found |= {name: _mean(at_the_end(inputs, group, column)) for name, column in OF_LENGTHS.items()}
    if (own := _own_transfer(inputs.study)) is not None:
        found[own] = _mean(at_the_end(inputs, group, own))
    return found | _overlap(inputs, group)


def _own_transfer(study: Study) -> str | None:
    """The transfer that the study asks about, where it was measured elsewhere."""
    asked = study.question.transfer
    return None if asked in OF_ACCURACY else asked


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan


def _overlap(inputs: ReportInputs, group: Group) -> dict[str, Any]:
    """The question's overlap at the last usable checkpoint of each run: mean over auxiliaries, median over runs."""
    last = overlap_at_the_end(inputs, group)
    if not len(last):
        return {}
    typical = over_seeds(last, by=["group"], values=["overlap", "noise_floor"])
    value, floor = (typical[typical["measure"] == name].to_dict("records")[0] for name in ("overlap", "noise_floor"))
    is_range = bool(np.isnan(value["ci_low"]))
    low, high = (value[name] for name in (("low", "high") if is_range else ("ci_low", "ci_high")))
    ends = {"low": low, "high": high, "is_range": is_range} if value["n_seeds"] > 1 else {}
    return {"overlap": value["median"], **ends, "noise_floor": floor["median"]}


def _answer(finding: Finding | None) -> dict[str, Any]:
    """The correlation at the same step, as the report tells it, with the p of all tests together."""
    if finding is None:
        return {}
    told = {"correlation": finding.value("step_adjusted"), "p": float(finding.row["p"]), "verdict": finding.verdict}
    return told | {"is_primary": bool(finding.row["primary"])}


def _caption(inputs: ReportInputs, rows: pd.DataFrame) -> Iterator[str]:
    """What each column is, and where the numbers come from."""
    study, run = inputs.study, run_word(inputs.study)
    yield f"Study {study.name}."
    if "own_lengths" in rows:
        yield (
            "Accuracy of main on its own training lengths and beyond them in the transfer range, and the "
            f"generalization gap: means over {run}s at the last checkpoint."
        )
    if (own := _own_transfer(study)) is not None:
        yield f"{measured_words(study, own).capitalize()}: mean over {run}s at the last checkpoint that has it."
    if "overlap" in rows:
        yield from _about_overlap(study, run, rows)
    if "verdict" in rows:
        words = str(study.question.transfer).replace("_", " ")
        yield (
            f"Correlation of overlap with the {words} at the same step, median over {run}s; p is the largest of the "
            "tests that must agree; an asterisk marks the primary question."
        )
    labels = inputs.accuracy["seed"].unique() if len(inputs.accuracy) else study.seeds
    yield f"{counted(len(labels), run).capitalize()}: {', '.join(map(str, labels))}."
    yield f"Made with {', '.join(f'{name} {version}' for name, version in inputs.versions.items())}."


def _about_overlap(study: Study, run: str, rows: pd.DataFrame) -> Iterator[str]:
    asked = study.question
    metric = str(asked.overlap).replace("_", " ")
    of = f" of head maps ({asked.method}, {asked.outcome})" if asked.outcome else " of attention patterns"
    yield (
        f"Overlap: {metric}{of} of main with its auxiliaries at the last usable checkpoint, median over "
        f"{run}s, with the interval that encloses the median of all {run}s in at least 92 % of studies."
    )
    if "is_range" in rows and rows["is_range"].fillna(False).astype(bool).any():
        yield f"A dagger marks the range of the {run}s, too few for an interval."
    if "noise_floor" in rows and rows["noise_floor"].notna().any():
        yield "Noise floor: what sampling noise alone would give."
