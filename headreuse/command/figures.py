"""What `headreuse figure` does: the figures of a run folder by name, and one of them as a file."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headreuse.command.ending import say
from headreuse.errors import HeadreuseError

if TYPE_CHECKING:
    from headreuse.store.folder import RunFolder


@dataclass(frozen=True)
class Wanted:
    """A figure as it was asked for."""

    name: str
    kind: str | None
    """Format; None for what the file's name says."""
    width: str
    height: str | None
    out: Path | None
    chosen: tuple[str, ...]
    """`name=value`."""
    panels: tuple[str, ...]
    is_titled: bool

    @property
    def file(self) -> Path:
        """Where it is written."""
        return self.out or Path(f"{self.name}.{self.kind or 'pdf'}")

    @property
    def choices(self) -> dict[str, str]:
        """Values by the names of choices; raises for what is no choice."""
        found: dict[str, str] = {}
        for text in self.chosen:
            name, mark, value = text.partition("=")
            if not mark:
                raise HeadreuseError(f"--choose {text!r} has no value; give NAME=VALUE, such as step=2000")
            if name in found:
                raise HeadreuseError(f"--choose {name} is given twice; a figure shows one view")
            found[name] = value
        return found


def figure_lines(folder: "RunFolder") -> Iterator[str]:
    """A line for each figure: its name, and what it shows."""
    # Heavy, and not needed where only help is shown.
    from headreuse.report.catalogue import entries
    from headreuse.report.publishing import report_inputs

    found = list(entries(report_inputs(folder)))
    wide = max((len(entry.name) for entry in found), default=0)
    for entry in found:
        yield f"{entry.name:{wide}}  {entry.shows}" if sys.stdout.isatty() else f"{entry.name}\t{entry.shows}"


def write_figure(folder: "RunFolder", wanted: Wanted) -> Path:
    """Write a figure, and say which of its views it shows; all that can be wrong with the request is found first."""
    # As above.
    from headreuse.figures.views import choices_of, with_view
    from headreuse.report.catalogue import exhibit_named
    from headreuse.report.printing import FORMATS, Size, check_format, check_printer, save_figure
    from headreuse.report.publishing import report_inputs

    suffix = wanted.file.suffix.lower().removeprefix(".")
    if wanted.kind is not None:
        check_format(wanted.kind)
    if suffix not in FORMATS or wanted.kind not in (None, suffix):
        endings = [wanted.kind] if wanted.kind else FORMATS
        raise HeadreuseError(f"--out {wanted.out}: give a name that ends in .{' or .'.join(endings)}")
    Size.of(wanted.width)
    if wanted.height is not None:
        Size.of(wanted.height, "height")
    choices = wanted.choices
    check_printer()
    exhibit = exhibit_named(report_inputs(folder), wanted.name)
    assert exhibit.figure is not None
    shown = with_view(exhibit.figure, choices)
    if told := ", ".join(f"{choice.name}={choice.start}" for choice in choices_of(shown)):
        say(f"{wanted.name}: {told}")
    return save_figure(
        shown,
        wanted.file,
        width=wanted.width,
        height=wanted.height,
        title=exhibit.title if wanted.is_titled else "",
        panels=wanted.panels,
    )
