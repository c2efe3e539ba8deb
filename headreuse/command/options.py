"""What the commands take on the command line: checked before anything is read, so that a mistake costs nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from headreuse.errors import HeadreuseError, nearest
from headreuse.work.engines import ENGINES
from headreuse.work.shards import Shard

WHOLE = Shard(1, 1)


@dataclass(frozen=True)
class Resources:
    """What the work may use."""

    workers: int | None
    engine: str
    shard: Shard
    trust_tasks: bool
    """Whether the tasks that the run folder keeps may be executed."""


def _path(text: str) -> Path:
    """A path, which is never empty: an empty one would mean the current folder."""
    if not text or "\0" in text:
        raise typer.BadParameter(f"{text!r} is no path; give one")
    return Path(text)


def _place(text: str) -> str:
    """A path or a name on the Hub, as it was given."""
    _path(text)
    return text


def _engine(text: str) -> str:
    if text not in ENGINES:
        raise typer.BadParameter(f"unknown engine {text!r}{nearest(text, list(ENGINES))}; give {' or '.join(ENGINES)}")
    return text


def _shard(text: str) -> Shard:
    try:
        return Shard.parse(text)
    except HeadreuseError as error:
        raise typer.BadParameter(str(error)) from None


StudyOrFolder = Annotated[
    Path, typer.Argument(metavar="STUDY", parser=_path, help="A study file (TOML), or the run folder of one.")
]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", parser=_path, help="A run folder, for example runs/demo.")]
Folders = Annotated[
    list[Path], typer.Argument(metavar="FOLDER...", parser=_path, help="One run folder, or several together.")
]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON, for programs.")]
PathOrRepo = Annotated[
    str | None,
    typer.Argument(
        metavar="PATH_OR_REPO",
        parser=_place,
        help="A folder of checkpoints or of runs, a single model, owner/name on the Hub, or a name that --known lists.",
    ),
]
AllowPickles = Annotated[
    bool, typer.Option("--allow-pickles", help="Also weights in .bin files, of which tensors alone are read.")
]
Out = Annotated[
    Path | None, typer.Option(metavar="FOLDER", parser=_path, help="The run folder; runs/NAME where none is given.")
]
ReportOut = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FOLDER", parser=_path, help="Folder for the report; nothing is written where none is given."
    ),
]
ExportOut = Annotated[Path, typer.Option("--out", metavar="FOLDER", parser=_path, help="Folder for the files.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0, max=1000, help="Processes side by side, one per core or 4 per GPU where not given; 0 works in this one."
    ),
]
EngineName = Annotated[
    str,
    typer.Option(
        metavar="NAME", parser=_engine, help="`processes` on this machine, or `ray` (extra `ray`) on a cluster."
    ),
]
PartOfWork = Annotated[
    Shard | None,
    typer.Option("--shard", metavar="I/N", parser=_shard, help="Do only the I-th of N parts of the work (1/4 … 4/4)."),
]
TrustTasks = Annotated[
    bool, typer.Option("--trust-tasks", help="Execute the own tasks that a run folder keeps; read them first.")
]
OwnTasks = Annotated[
    list[Path] | None,
    typer.Option(
        "--from",
        metavar="FILE",
        parser=_path,
        help="A Python file of tasks of your own; executed, checked, and listed last.",
    ),
]
FigureName = Annotated[str | None, typer.Argument(help="A figure; all are listed where none is given.")]
FigureFile = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", parser=_path, help="NAME.pdf (svg, png) in this folder where none is given."),
]
FigureFormat = Annotated[
    str | None, typer.Option("--format", metavar="pdf|svg|png", help="pdf, or what --out ends in, where not given.")
]
Width = Annotated[str, typer.Option(metavar="LENGTH", help="As it is printed: in in, cm, mm, pt or px.")]
Height = Annotated[
    str | None, typer.Option(metavar="LENGTH", help="The same; it follows from the panels where not given.")
]
Choose = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Which view is shown, such as step=2000; several are given one by one."),
]
Panels = Annotated[
    list[str] | None,
    typer.Option(
        "--panel", metavar="TITLE", help="A panel that is shown, several one by one; all where none is given."
    ),
]
Titled = Annotated[bool, typer.Option("--title", help="Write the figure's title above it.")]
TableFormat = Annotated[str, typer.Option("--format", metavar="latex|markdown", help="How the table is written.")]
TableFile = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", parser=_path, help="Printed where none is given.")
]
