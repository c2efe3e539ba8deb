"""How records show themselves: one short line in a terminal, a small table or a picture in a notebook."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import fields
from html import escape
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

MOST_LISTED = 4
"""Entries of a list that are named, and numbers of an array that are written out."""
LONGEST_TEXT = 80
"""Letters of a text in a line; a table has room for all."""
DIGEST = 64
"""Characters of a SHA-256, of which twelve are enough to tell it from others."""


class Shown:
    """A frozen record that may hold large arrays, shown by their shapes and means. Name it as a dataclass' base."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in self.shown_fields().items())})"

    def _repr_html_(self) -> str:
        return table(type(self).__name__, ("", ""), list(self.shown_fields(LONGEST_TEXT * 10).items()))

    def shown_fields(self, longest: int = LONGEST_TEXT) -> dict[str, str]:
        """What the record holds, in words by the names of its fields; those that are None are left out."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: in_short(value, longest) for name, value in found.items() if value is not None}


class Drawn(Shown):
    """A record that is a picture in a notebook."""

    _repr_svg_: ClassVar[Any]
    """In a class: a method that draws it."""

    def _repr_html_(self) -> str:
        return f'<div style="overflow-x:auto">{self._repr_svg_()}</div>'


def in_short(value: object, longest: int = LONGEST_TEXT) -> str:
    """A value in a few words: of an array its shape, its mean where it has one number for each prompt."""
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, Mapping):
        shapes = {entry.shape if isinstance(entry, np.ndarray) else () for entry in value.values()}
        if len(shapes) == 1 and len(shape := shapes.pop()) > 1:
            return f"{{{', '.join(map(str, value))}}} of {' × '.join(map(str, shape))}"
        entries = [f"{in_short(key, longest)}: {in_short(entry, longest)}" for key, entry in value.items()]
        return "{" + ", ".join(_some(entries, 2 * MOST_LISTED)) + "}"
    if isinstance(value, Sequence | Set) and not isinstance(value, str):
        if isinstance(value, Set):
            value = sorted(value)
        return "(" + ", ".join(_some([in_short(entry, longest) for entry in value], MOST_LISTED)) + ")"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str | Path):
        return repr(_clipped(str(value), longest))
    return _clipped(str(value), longest)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table with everything in it escaped; a `head` of empty names is left out."""
    columns = "".join(f"<th>{escape(name)}</th>" for name in head)
    cells = [[f'<td style="text-align:left">{escape(str(cell))}</td>' for cell in row] for row in rows]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    top = f"<thead><tr>{columns}</tr></thead>" if any(head) else ""
    caption = f'<caption style="text-align:left"><b>{escape(title)}</b></caption>'
    return f"<table>{caption}{top}<tbody>{body}</tbody></table>"


def _array(values: np.ndarray) -> str:
    if values.ndim == 1 and 0 < len(values) <= MOST_LISTED:
        return str(values.tolist())
    if values.ndim == 1 and values.size and np.issubdtype(values.dtype, np.floating):
        return f"mean {float(values.mean()):.3g} of {len(values)}"
    return f"array {' × '.join(map(str, values.shape))}"


def _some(entries: Sequence[str], most: int) -> list[str]:
    if len(entries) <= most:
        return list(entries)
    return [*entries[:most], f"… {len(entries) - most} more"]


def _clipped(content: str, longest: int) -> str:
    if len(content) == DIGEST and set(content) <= set("0123456789abcdef"):
        return f"{content[:12]}…"
    return content if len(content) <= longest else f"{content[: longest - 1]}…"
