"""The correlation report as Markdown: the question, the answer, its caveats, and the headline estimates as a table."""

import html
import re

import numpy as np
import pandas as pd

from headreuse.correlation.verdict import NAME, PARTS, RETIMED
from headreuse.report.asked import asked
from headreuse.report.findings import PUBLISHED, is_of
from headreuse.report.inputs import ReportInputs
from headreuse.report.page import Page, subject
from headreuse.report.wording import signed

STATISTICS = (NAME, *PARTS, RETIMED, "within_run", "related_minus_control")
COLUMNS = ("group", "kind", "overlap", "statistic", "median", "interval", "runs", "points", "method", "p", "q",
           "verdict", "note")  # fmt: skip
_SPECIAL = re.compile(r"([\\`*\[\]|~])")


def markdown(inputs: ReportInputs, page: Page, *, all_rows: str) -> str:
    """The report as text; `all_rows` is the file that holds every estimate."""
    lines = [f"# {subject(inputs.study)}: {plain(inputs.study.name)}", ""]
    for sentence in [asked(inputs)[0], *page.answer]:
        lines += [plain(sentence), ""]
    lines += ["## What these numbers cannot say", "", *(f"- {plain(line)}" for line in page.caveats), ""]
    rows = headline_estimates(inputs)
    lines += ["## Headline estimates", "", _row(COLUMNS), _row(["---"] * len(COLUMNS))]
    lines += [_row(_cells(row)) for _, row in rows.iterrows()]
    lines += [
        "",
        "The primary question's measures, and the published difference of ablation maps with the gap. All "
        f"{len(inputs.correlation)} estimates: `{all_rows}`.",
        "",
    ]
    lines += ["## How this was made", "", f"- {plain(inputs.command)}"]
    lines += [f"- {plain(name)}: {plain(version)}" for name, version in inputs.versions.items()]
    return "\n".join([*lines, ""])


def plain(text: object) -> str:
    """Text that Markdown shows as it is, on one line: no HTML, no links, nothing that ends a table's cell."""
    return _SPECIAL.sub(r"\\\1", html.escape(" ".join(str(text).split()), quote=False))


def headline_estimates(inputs: ReportInputs) -> pd.DataFrame:
    """The rows of the primary and of the published measures, for the statistics that the answer uses."""
    rows = inputs.correlation
    if not len(rows):
        return rows
    shown = rows[rows["statistic"].isin(STATISTICS)]
    questions = inputs.study.question, PUBLISHED
    return shown[[any(is_of(row, question) for question in questions) for row in shown.to_dict("records")]]


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
        _verdict(row),
        plain(row["note"]) if _has_text(row.get("note")) else "",
    ]


def _verdict(row: pd.Series) -> str:
    """The verdict with its direction, and whether it answers the study's question."""
    if not _has_text(row["verdict"]):
        return ""
    parts = [
        row["verdict"],
        *([row["direction"]] if _has_text(row["direction"]) else []),
        *(["primary"] if row["primary"] else []),
    ]
    return plain(", ".join(parts))


def _number(value: float) -> str:
    return signed(value) if np.isfinite(value) else "–"


def _has_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _row(cells: object) -> str:
    return f"| {' | '.join(cells)} |"  # type: ignore[arg-type]
