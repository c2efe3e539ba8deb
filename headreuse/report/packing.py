"""What the page holds for its script: compressed, since a study's numbers as plain text take ten times the room."""

import base64
import json
import zlib
from typing import Any

from plotly.io.json import to_json_plotly

from headreuse.report.exhibits import Exhibit
from headreuse.report.tables import Table


def packed(text: str) -> str:
    """The text deflated, in base64: letters, digits and `+/=` alone, so that nothing in it can end an element."""
    return base64.b64encode(zlib.compress(text.encode(), 6)).decode("ascii")


def unpacked(text: str) -> str:
    """What was packed; the page's script does the same."""
    return zlib.decompress(base64.b64decode(text)).decode()


def packed_table(table: Table) -> str:
    """A table's names, styles and values."""
    return packed(_json(table.to_json()))


def packed_figure(exhibit: Exhibit) -> str:
    """A figure without the theme, which the page holds once."""
    assert exhibit.figure is not None
    figure = exhibit.figure.to_plotly_json()
    figure["layout"] = {name: value for name, value in figure["layout"].items() if name != "template"}
    return packed(to_json_plotly(figure))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
