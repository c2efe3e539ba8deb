"""How soon does each seed learn, and does learning alone look like reuse? The clocks, and the negative controls."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from headreuse import figures
from headreuse.correlation import Clock, clock
from headreuse.correlation.verdict import PARTS
from headreuse.correlation.wording import counted
from headreuse.report.exhibits import Exhibit
from headreuse.report.findings import negative_controls
from headreuse.report.inputs import ReportInputs
from headreuse.report.tables import Table, table
from headreuse.report.wording import listed

TITLE = "How soon does each seed learn?"
ABOUT = "When main, and its auxiliaries on average, first reach each level of accuracy."
SPREAD = ["group", "role", "seeds", "typical_factor", "slowest_to_fastest", "levels", "note"]
MAX_NAMED = 4
"""Clocks of which the sentence tells the spread; with more it tells the range."""


def learning(inputs: ReportInputs) -> Iterator[Exhibit]:
    """The clocks of all groups: one figure."""
    if not len(inputs.clocks) or inputs.clocks["step"].isna().all():
        return
    found = spreads(inputs.clocks)
    yield Exhibit(
        "learning",
        "Levels of accuracy and when they are reached",
        f"{_spread_sentence(found)} A seed that learns sooner has everything sooner, so seeds are also compared at the "
        "same progress: lines are shifted onto each other (and stretched, where that fits better).",
        figures.learning_clocks(inputs.clocks),
        (
            table(found, SPREAD, title="How far seeds differ", is_open=True, caption=f"{ABOUT} Factors are of steps."),
            *_negative_controls(inputs),
            table(inputs.clocks),
        ),
        is_wide=True,
    )


def spreads(clocks: pd.DataFrame) -> pd.DataFrame:
    """Columns `SPREAD`: by which factor seeds typically differ in how soon they learn, and at most."""
    rows = []
    for (group, role), part in clocks.groupby(["group", "role"], sort=False):
        levels = part.pivot(index="seed", columns="level", values="step")
        found = clock(np.log1p(levels.to_numpy(float)))
        rows.append({"group": group, "role": role, "seeds": len(levels)} | _spread(found))
    return pd.DataFrame(rows, columns=SPREAD)


def _spread(found: Clock | None) -> dict[str, object]:
    if found is None:
        return {"levels": "", "note": "no level is crossed between the checkpoints of every seed"}
    levels = ", ".join(f"{level:g}" for level in found.levels)
    if len(found.late) < 2:
        return {"levels": levels, "note": "one seed"}
    factors = {"typical_factor": float(np.exp(found.spread)), "slowest_to_fastest": float(np.exp(np.ptp(found.late)))}
    return factors | {"levels": levels, "note": None}


def _spread_sentence(found: pd.DataFrame) -> str:
    known = found[found["typical_factor"].notna()]
    if not len(known):
        return "How far seeds differ in how soon they learn cannot be told: no level is crossed by several of them."
    if len(known) > MAX_NAMED:
        low, high = known["typical_factor"].min(), known["typical_factor"].max()
        whole = counted(len(known), "clock")
        return f"Seeds typically differ by a factor of {low:.2f} to {high:.2f} in how soon they learn (over {whole})."
    parts = [f"{row['typical_factor']:.2f} ({row['role']} of {row['group']})" for row in known.to_dict("records")]
    return f"Seeds typically differ by a factor of {listed(parts)} in how soon they learn."


def _negative_controls(inputs: ReportInputs) -> Iterator[Table]:
    """The tests with what holds no head in the place of overlap."""
    transfer = inputs.study.question.transfer
    if transfer is None:
        return
    rows = [
        {"group": finding.row["group"], "in_place_of_overlap": str(finding.row["overlap_metric"]).replace("_", " ")}
        | {f"{name}{end}": get(name) for name in PARTS for end, get in (("", finding.value), (" p", finding.p))}
        | {"verdict": finding.verdict, "runs": finding.n_runs, "usable_checkpoints": finding.n_points}
        for finding in negative_controls(inputs, transfer=transfer)
    ]
    if rows:
        yield table(
            pd.DataFrame(rows),
            title="Negative controls",
            caption=f"Correlations with the {transfer.replace('_', ' ')} of what holds no head: main's and the "
            "auxiliaries' accuracy, and the training loss. Where they pass a test, that test would also pass heads "
            "that have nothing to do with transfer. Given both accuracies nothing is left of an accuracy, so there "
            "only the first two tests can tell.",
        )
