"""Make the reference in site/: python notebooks/reference/make.py

The README, the notebooks, the results, how to extend the package, the columns of every table, every public name
with its docstring. Needs the extra `docs`. Any warning, and any link within the site that leads nowhere, is an error.
"""

import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pdoc
import pdoc.render
from columns import columns_page
from jinja2 import Template
from links import broken_links
from pages import Resolve, from_markdown, from_notebook, highlighting
from settings import settings_tables

from headreuse.models.hsa import HsaConfig
from headreuse.models.positions import PositionedConfig

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"
API = "api/headreuse.html"
PAGES = {
    "README.md": ("Overview", "index.html"),
    "notebooks/reference/studies.md": ("Study files", "studies.html"),
    "notebooks/reference/extending.md": ("Extending", "extending.html"),
    "notebooks/reference/columns.md": ("Columns", "columns.html"),
    "analyses/results/README.md": ("Results", "results.html"),
    "analyses/systems.md": ("Other systems", "systems.html"),
    "CHANGELOG.md": ("Changes", "changes.html"),
}
"""By their sources; that of the columns is made here, and the tables of keys under the page on study files."""
OF_TRANSFORMERS = (HsaConfig, PositionedConfig)
"""Classes whose constructors Transformers writes, with annotations and attributes that only its own modules know."""


def main() -> None:
    """Make the site anew; end with status 1 and a line for each fault."""
    shutil.rmtree(SITE, ignore_errors=True)
    problems = [*_reference(), *_pages(), *broken_links(SITE)]
    if problems:
        sys.exit("\n".join(problems))
    n_bytes = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    print(f"{SITE / 'index.html'}: {len(list(SITE.rglob('*.html')))} pages, {n_bytes / 1e6:.0f} MB")


def _reference() -> list[str]:
    """Every module with its docstrings; what there was to warn of."""
    pdoc.render.configure(docformat="markdown", show_source=False, search=True, footer_text="headreuse")
    for config in OF_TRANSFORMERS:
        config.__doc__ = f"{config.__doc__}\n\n@private"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pdoc.pdoc("headreuse", output_directory=SITE / "api")
    return [f"{warning.category.__name__}: {warning.message}" for warning in caught]


def _pages() -> Iterator[str]:
    """Write all other pages; yield a line for each link to a file that is not there."""
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"), key=lambda path: (path.stem != "tour", path.stem))
    sources = {ROOT / source: target for source, (_, target) in PAGES.items()}
    sources |= {path: f"notebooks/{path.stem}.html" for path in notebooks}
    (SITE / "notebooks").mkdir(parents=True)
    named = [*PAGES.values(), *((path.stem.replace("_", " "), sources[path]) for path in notebooks), ("Reference", API)]
    template = Template((ROOT / "notebooks/reference/page.html").read_text(), autoescape=False)
    colours = highlighting()
    for source, target in sources.items():
        missing: list[str] = []
        resolve = _resolver(source, target, sources, missing)
        body = from_notebook(source, resolve) if source.suffix == ".ipynb" else from_markdown(_text(source), resolve)
        heading = re.search(r"<h1[^>]*>(.*?)</h1>", body)
        title = re.sub(r"<[^>]*>", "", heading[1]) if heading else source.stem
        up = "../" * target.count("/")
        page = template.render(title=title, body=body, pages=named, here=target, up=up, highlighting=colours)
        (SITE / target).write_text(page)
        yield from (f"{source.relative_to(ROOT)}: {link}: no such file" for link in missing)


def _text(source: Path) -> str:
    if source.name == "columns.md":
        return columns_page()
    return source.read_text() + ("\n" + settings_tables() if source.name == "studies.md" else "")


def _resolver(source: Path, target: str, sources: dict[Path, str], missing: list[str]) -> Resolve:
    """Where the links of one source lead: to a page of the site, or to a copy of the file under `files/`."""

    def resolve(link: str) -> str:
        place, mark, fragment = link.partition("#")
        if ":" in place or not place:
            return link
        path = (source.parent / place).resolve()
        path = path / "README.md" if (path / "README.md").is_file() else path
        if path in sources:
            to = sources[path]
        elif path.exists() and path.is_relative_to(ROOT):
            to = _copied(path)
        else:
            missing.append(link)
            return link
        return os.path.relpath(to, os.path.dirname(target) or ".") + mark + fragment

    return resolve


def _copied(path: Path) -> str:
    """A file of the repository, or a folder as a list of its files, copied into the site."""
    to = f"files/{path.relative_to(ROOT)}"
    (SITE / to).parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        shutil.copyfile(path, SITE / to)
        return to
    files = [_copied(inside) for inside in sorted(path.iterdir()) if inside.is_file()]
    links = "".join(f'<li><a href="{Path(file).name}">{Path(file).name}</a></li>' for file in files)
    (SITE / to).mkdir(parents=True, exist_ok=True)
    (SITE / to / "index.html").write_text(f"<!doctype html><title>{path.name}</title><ul>{links}</ul>\n")
    return f"{to}/index.html"


if __name__ == "__main__":
    main()
