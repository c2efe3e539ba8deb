"""How wide text is, near enough to lay out a figure before anything is drawn."""

import html
import re

_NARROW, _WIDE = set("ijltfrI.,:;'|!()[] -·"), set("mwMW%@—")
_OF_CHARACTER = {"narrow": 0.29, "usual": 0.56, "wide": 0.88}
"""Widths as a share of the font size: those of Helvetica, and a little more for fonts that take its place."""
_TAG = re.compile(r"<[^<>]*>")
_BREAK = re.compile(r"<br\s*/?>")


def text_width(text: str, size: float) -> float:
    """Width of the longest line of a text of plotly, in the unit of the font size; markup has no width."""
    return max(sum(map(_width, line)) for line in lines_of(text)) * size


def lines_of(text: str) -> list[str]:
    """The lines of a text of plotly, without markup."""
    return [html.unescape(_TAG.sub("", line)) for line in _BREAK.split(text)]


def words_of(text: str) -> list[str]:
    """The parts of a text of plotly between spaces; a space inside a tag is none."""
    return re.findall(r"(?:<[^<>]*>|[^\s<])+", text)


def broken(text: str, width: float, size: float) -> str:
    """A text of plotly with a line break in the place of the spaces at which it becomes too wide."""
    lines: list[str] = []
    for word in words_of(text):
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(_BREAK.split(joined)[-1], size) <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    return "<br>".join(lines)


def _width(character: str) -> float:
    kind = "narrow" if character in _NARROW else "wide" if character in _WIDE else "usual"
    return _OF_CHARACTER[kind]
