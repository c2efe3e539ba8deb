"""A row for each relation with all that its verdict rests on, and the rows as Markdown."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analyses.claims import Claim
from headreuse.tables.differences import Estimate, bound_on_seeds

HEAD = [
    "| relation | arms | quantity | a: median seed (lowest to highest) | b | median difference [92 % or more] | seeds "
    "| p (smallest possible) | verdict |",
    "|---|---|---|---|---|---|---|---|---|",
]


def row_of(claim: Claim, a: str, b: str, values: list[Any], estimate: Estimate, notes: list[str]) -> dict[str, Any]:
    """The row of a claim about the seeds of arm `a`, and of arm `b` or a number."""
    n_a, n_b = (np.size(value) for value in values)
    if estimate.all_alike:
        n = min(n_a, n_b) if b else n_a
        bound = f"all {n} seeds alike: up to {bound_on_seeds(n):.0%} of seeds could still differ"
        notes = [*notes, bound.replace("%", " %")]
    return {
        "relation": claim.relation,
        "group_a": a,
        "group_b": b,
        "quantity": claim.quantity,
        **{f"{name}_{end}": each for end, value in zip("ab", values, strict=True) for name, each in _of_seeds(value)},
        "difference": estimate.difference,
        "ci_low": estimate.ci_low,
        "ci_high": estimate.ci_high,
        "margin": claim.margin,
        "n_seeds_a": n_a,
        "n_seeds_b": n_b if b else 0,
        "p": estimate.p,
        "smallest_p": estimate.smallest_p,
        "verdict": claim.verdict(estimate),
        "seen": estimate.seen,
        "note": "; ".join(notes),
    }


def _of_seeds(values: Any) -> list[tuple[str, float]]:
    """The median seed, the lowest and the highest; NaN where there is none."""
    measures = {"median": np.median, "lowest": np.min, "highest": np.max}
    return [(name, float(measure(values)) if np.size(values) else np.nan) for name, measure in measures.items()]


def as_markdown(table: pd.DataFrame, left_out: Sequence[str]) -> str:
    """The relations as a Markdown table, and below it the arms that were not compared."""
    lines = [*HEAD, *(_line(row) for row in table.to_dict("records"))]
    if left_out:
        lines += ["", "Not compared, since other settings differ:", "", *(f"- {line}" for line in left_out)]
    return "\n".join(lines) + "\n"


def _line(row: dict[Any, Any]) -> str:
    interval = f"[{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]" if np.isfinite(row["ci_low"]) else "no interval"
    cells = [
        row["relation"],
        f"{row['group_a']} / {row['group_b'] or 'itself'}",
        row["quantity"],
        *(_seeds_cell(row, end) for end in "ab"),
        f"{row['difference']:+.3f} {interval}" if np.isfinite(row["difference"]) else "none",
        f"{row['n_seeds_a']}" + (f", {row['n_seeds_b']}" if row["n_seeds_b"] else ""),
        "none" if np.isnan(row["p"]) else f"{_p(row['p'])} ({_p(row['smallest_p'])})",
        f"{row['verdict']}: {'; '.join(filter(None, (row['seen'], row['note'])))}",
    ]
    return f"| {' | '.join(cells)} |"


def _p(value: float) -> str:
    """Never 0.000, which no p is."""
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1g}"


def _seeds_cell(row: dict[Any, Any], end: str) -> str:
    median, lowest, highest = (row[f"{name}_{end}"] for name in ("median", "lowest", "highest"))
    if np.isnan(median):
        return "none"
    return f"{median:.3f}" + (f" ({lowest:.3f} to {highest:.3f})" if highest > lowest else "")
