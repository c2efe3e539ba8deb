"""Does every link within a site lead to something that is there?"""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Found(HTMLParser):
    """The names within a page, and where it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.targets: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the names and targets of one element."""
        for name, value in attrs:
            if not value:
                continue
            if name == "id" or (tag == "a" and name == "name"):
                self.names.add(value)
            elif name in ("href", "src") and tag not in ("use", "image"):
                self.targets.append(value)


def broken_links(site: Path) -> Iterator[str]:
    """One line for each link to a file or a name that is not there; other sites are not asked."""
    pages = {path.resolve(): Found(path.read_text()) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for target in dict.fromkeys(page.targets):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            fragment = unquote(parts.fragment)
            if not to.is_file():
                yield f"{path.relative_to(site.resolve())}: {target}: no such file"
            elif fragment and to in pages and fragment not in pages[to].names:
                yield f"{path.relative_to(site.resolve())}: {target}: no such place in that page"
