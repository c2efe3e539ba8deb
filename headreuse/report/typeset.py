"""The headline table as LaTeX (booktabs) and as Markdown: names escaped, numbers aligned."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from headreuse.errors import HeadreuseError, nearest
from headreuse.report.headline import Headline
from headreuse.report.markdown import plain

TITLES = {"own_lengths": "own lengths", "transfer_range": "transfer range", "low": "interval", "noise_floor": "floor"}
"""Of columns that are called otherwise than in the table."""
TEXTS = ("group", "kind", "verdict")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "−": "$-$",
    "–": "--", "†": r"$^\dagger$", "τ": r"$\tau$", "\N{NO-BREAK SPACE}": "~",
}  # fmt: skip


@dataclass(frozen=True)
class Cells:
    """The table as text, column by column."""

    titles: tuple[str, ...]
    are_texts: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


def typeset(table: Headline, form: str) -> str:
    """The table in one of `FORMS`; raises for any other."""
    check_form(form)
    return FORMS[form](table)


def check_form(form: str) -> None:
    """Raise for what is none of `FORMS`."""
    if form not in FORMS:
        raise HeadreuseError(f"{form!r} is no format{nearest(form, list(FORMS))}; give {' or '.join(FORMS)}")


def as_latex(table: Headline) -> str:
    """A `table` environment, which needs the package booktabs."""
    cells = cells_of(table)
    columns = "".join("l" if is_text else "r" for is_text in cells.are_texts)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex(table.caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _latex_row(cells.titles),
        r"\midrule",
        *map(_latex_row, cells.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def as_markdown(table: Headline) -> str:
    """A table whose numbers stand at the right, and its caption below."""
    cells = cells_of(table)
    rule = [":---" if is_text else "---:" for is_text in cells.are_texts]
    rows = [[plain(text) for text in row] for row in (cells.titles, *cells.rows)]
    lines = [f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:])]
    return "\n".join([*lines, "", plain(table.caption), ""])


FORMS: dict[str, Callable[[Headline], str]] = {"latex": as_latex, "markdown": as_markdown}


def cells_of(table: Headline) -> Cells:
    """Every cell as text; numbers of one column have the same decimals, so that they stand below each other."""
    names = [str(name) for name in table.rows if name not in ("high", "is_range", "is_primary")]
    rows = tuple(tuple(_cell(row, name) for name in names) for row in table.rows.to_dict("records"))
    titles = tuple(TITLES.get(name, name.replace("_", " ")) for name in names)
    return Cells(titles, tuple(name in TEXTS for name in names), rows)


def latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return re.sub(r".", lambda found: _LATEX.get(found[0], found[0]), text, flags=re.DOTALL)


def _cell(row: Any, name: str) -> str:
    value = row[name]
    if pd.isna(value):
        return "–"
    if name == "group":
        return f"{value}{' *' if row.get('is_primary') is True else ''}"
    if name in TEXTS:
        return str(value)
    if name == "runs":
        return f"{value:.0f}"
    if name == "p":
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    if name == "low":
        return f"{_number(value)} to {_number(row['high'])}{'†' if row['is_range'] is True else ''}"
    return _number(value)


def _number(value: float) -> str:
    return f"{value:z.2f}".replace("-", "−")


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(latex, cells)) + r" \\"
