"""The correlation report as Markdown: the answer, its caveats, and the headline estimates as a table."""

import html
import re

import numpy as np
import pandas as pd

from headreuse.figures.measures import PUBLISHED
from headreuse.report.answer import HEADLINE, OUTCOME
from headreuse.report.inputs import ReportInputs
from headreuse.report.page import Page
from headreuse.report.wording import signed

STATISTICS = ("within_run", "step_adjusted", "related_minus_control")
COLUMNS = ("group", "kind", "overlap", "statistic", "effect", "95 % interval", "runs", "points", "method", "p", "q",
           "note")  # fmt: skip
_SPECIAL = re.compile(r"([\\`*\[\]|~])")


def markdown(inputs: ReportInputs, page: Page, *, all_rows: str) -> str:
    """The report as text; `all_rows` is the file that holds every estimate."""
    lines = [f"# Head reuse and length transfer: {plain(inputs.study.name)}", ""]
    for sentence in page.answer:
        lines += [plain(sentence), ""]
    lines += ["## What these numbers cannot say", "", *(f"- {plain(line)}" for line in page.caveats), ""]
    rows = headline_estimates(inputs.correlation)
    lines += ["## Headline estimates", "", _row(COLUMNS), _row(["---"] * len(COLUMNS))]
    lines += [_row(_cells(row)) for _, row in rows.iterrows()]
    lines += [
        "",
        f"Correlations of overlap with the generalization gap. All {len(inputs.correlation)} estimates: `{all_rows}`.",
        "",
    ]
    lines += ["## How this was made", "", f"- {plain(inputs.command)}"]
    lines += [f"- {plain(name)}: {plain(version)}" for name, version in inputs.versions.items()]
    return "\n".join([*lines, ""])


def plain(text: object) -> str:
    """Text that Markdown shows as it is, on one line: no HTML, no links, nothing that ends a table's cell."""
    return _SPECIAL.sub(r"\\\1", html.escape(" ".join(str(text).split()), quote=False))


def headline_estimates(correlation: pd.DataFrame) -> pd.DataFrame:
    """The rows of the published overlap measures with the gap, for the statistics that the answer uses."""
    if not len(correlation):
        return correlation
    keep = correlation["overlap_metric"].isin(PUBLISHED) & correlation["statistic"].isin(STATISTICS)
    keep &= correlation["transfer_metric"] == HEADLINE["transfer_metric"]
    if "outcome" in correlation:
        keep &= correlation["outcome"].isin((OUTCOME, "pattern"))
    return correlation[keep]


def _cells(row: pd.Series) -> list[str]:
    method = "; ".join(str(row[name]) for name in ("interval", "test") if name in row and _has_text(row[name]))
    return [
        *(plain(row.get(name, "")) for name in ("group", "kind", "overlap_metric", "statistic")),
        _number(row["value"]),
        f"{_number(row['ci_low'])} to {_number(row['ci_high'])}" if np.isfinite(row["ci_low"]) else "–",
        str(int(row["n_runs"])),
        str(int(row["n_points"])),
        plain(method) or "–",
        *(f"{row[name]:.2g}" if np.isfinite(row[name]) else "–" for name in ("p", "q")),
        plain(row["note"]) if _has_text(row.get("note")) else "",
    ]


def _number(value: float) -> str:
    return signed(value) if np.isfinite(value) else "–"


def _has_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _row(cells: object) -> str:
    return f"| {' | '.join(cells)} |"  # type: ignore[arg-type]
