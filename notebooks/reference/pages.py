"""Markdown and notebooks as HTML, with links that lead to the pages of the site."""

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

FORMATTER = HtmlFormatter(nowrap=True)
Resolve = Callable[[str], str]
"""Gives where a link of a source leads in the site."""


def from_markdown(text: str, resolve: Resolve) -> str:
    """The text as HTML; its headings can be linked to under the names that GitHub gives them."""
    markdown = MarkdownIt("commonmark", {"highlight": highlighted}).enable("table")
    tokens = markdown.parse(text)
    taken: set[str] = set()
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open":
            token.attrs["id"] = slug(str(following.content), taken)
        for child in token.children or []:
            _lead(child, resolve)
    found = markdown.renderer.render(tokens, markdown.options, {})
    return found.replace("<table>", '<div class="scrolls"><table>').replace("</table>", "</table></div>")


def from_notebook(path: Path, resolve: Resolve) -> str:
    """The cells of a notebook with what it keeps of their outputs."""
    parts = []
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(from_markdown(source, resolve))
            continue
        parts.append(f"<pre><code>{highlighted(source, 'python', '')}</code></pre>")
        parts += [f'<div class="output">{shown}</div>' for output in cell["outputs"] if (shown := _shown(output))]
    return "\n".join(parts)


def highlighted(code: str, language: str, _attributes: str) -> str:
    """Code in colours; as it is where the language is not known."""
    try:
        return highlight(code, get_lexer_by_name(language or "text"), FORMATTER)
    except ClassNotFound:
        return html.escape(code)


def highlighting() -> str:
    """The style sheet of the colours, for light and dark pages."""
    light = HtmlFormatter(style="default").get_style_defs("pre")
    dark = HtmlFormatter(style="github-dark").get_style_defs("pre")
    rules = [re.sub(r"/\*.*?\*/", "", sheet) for sheet in (light, dark)]
    plain = [re.sub(r"background(-color)?:[^;}]*;?", "", rule) for rule in rules]
    return f"{plain[0]}\n@media (prefers-color-scheme: dark) {{\n{plain[1]}\n}}"


def slug(heading: str, taken: set[str]) -> str:
    """A heading as GitHub names it: lower case, hyphens for blanks, no other marks; numbered if it comes again."""
    plain = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
    name, n = plain, 0
    while name in taken:
        n += 1
        name = f"{plain}-{n}"
    taken.add(name)
    return name


def _lead(token: Token, resolve: Resolve) -> None:
    for name in ("href", "src"):
        if name in token.attrs:
            token.attrs[name] = resolve(str(token.attrs[name]))


def _shown(output: dict) -> str:
    content = {kind: "".join(value) for kind, value in output.get("data", {}).items() if isinstance(value, list | str)}
    for kind in ("image/svg+xml", "text/html"):
        if kind in content:
            return content[kind]
    text = content.get("text/plain", "".join(output.get("text", "")))
    return f"<pre>{html.escape(text)}</pre>" if text else ""
