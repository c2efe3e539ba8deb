"""The command line. Read this first: `run` is the whole path, the other commands are its stages one by one.

Errors that a user can mend end with one clear line on stderr and exit status 2; work that failed with status 1.
Heavy libraries are imported inside the commands that need them, so that help and lists are quick.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headreuse.errors import HeadreuseError

if TYPE_CHECKING:
    from pandas import DataFrame

    from headreuse.store.folder import RunFolder

app = typer.Typer(
    help="Do two tasks use the same attention heads, and does that predict how well one extrapolates?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

StudyOrFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="A study file (TOML), or the run folder of one.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A run folder, for example runs/demo.")]
Folders = Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="One run folder, or several together.")]
Out = Annotated[Path | None, typer.Option(help="The run folder; runs/NAME where none is given.", show_default=False)]
Workers = Annotated[
    int | None,
    typer.Option(min=0, help="Processes side by side; 0 works in this one. [default: one per core, 4 per GPU]"),
]
EngineName = Annotated[str, typer.Option(help="`processes` on this machine, or `ray` (extra `ray`) on a cluster.")]
Shard = Annotated[str | None, typer.Option(metavar="I/N", help="Do only the I-th of N parts of the work (1/4 … 4/4).")]


@dataclass(frozen=True)
class Resources:
    """What the work may use."""

    workers: int | None
    engine: str
    shard: str | None


@app.command()
def run(
    study: StudyOrFolder,
    out: Out = None,
    workers: Workers = None,
    engine: EngineName = "processes",
    shard: Shard = None,
) -> None:
    """Train, measure, analyse and report; what is done already is not done again."""
    folder = _begin(study, out)
    problems = _work(folder, Resources(workers, engine, shard), train=True, measure=True)
    _analyse(folder)
    _report(folder, problems)


@app.command()
def train(
    study: StudyOrFolder,
    out: Out = None,
    workers: Workers = None,
    engine: EngineName = "processes",
    shard: Shard = None,
) -> None:
    """Train the models of a study and keep their checkpoints."""
    folder = _begin(study, out)
    _end(_work(folder, Resources(workers, engine, shard), train=True, measure=False), folder.root)


@app.command()
def score(folder: Folder, workers: Workers = None, engine: EngineName = "processes", shard: Shard = None) -> None:
    """Measure accuracy, attention patterns and head scores at every checkpoint."""
    opened = _open(folder)
    _end(_work(opened, Resources(workers, engine, shard), train=False, measure=True), opened.root)


@app.command()
def overlap(folders: Folders) -> None:
    """How alike two tasks' heads are at each checkpoint: the overlap table of one run folder or several together."""
    from headreuse.tables.join import join

    _print_table(join(folders).tables["overlap"])


@app.command()
def correlate(
    folders: Folders,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report; nothing is written where none is given.")
    ] = None,
) -> None:
    """Does transfer go with overlap? The correlation table, and with --out a report as HTML, Markdown and CSV."""
    from headreuse.report.publishing import write_correlation_report
    from headreuse.tables.join import join

    joined = join(folders)
    if out is None:
        _print_table(joined.tables["correlation"])
        return
    for path in write_correlation_report(joined, out):
        print(path)


@app.command()
def report(folder: Folder) -> None:
    """Write the report from what has been measured so far."""
    opened = _open(folder)
    _analyse(opened)
    _report(opened, [])


@app.command()
def status(folder: Folder) -> None:
    """What is done, what is missing, what failed."""
    from headreuse.work.progress import progress

    opened = _open(folder)
    for entry in progress(opened):
        n_there, n_units = len(entry.checkpoints), len(entry.done) + len(entry.missing)
        done = f"{len(entry.done)} of {n_units} measurements of those"
        print(f"{entry.run}: {n_there} of {entry.n_steps} checkpoints, {done}")
    for line in opened.errors():
        print(f"failed: {line}")


@app.command()
def plan(
    study: StudyOrFolder,
    effect: Annotated[float, typer.Option(min=0.05, max=0.95, help="Correlation beyond progress to be found.")] = 0.35,
    power: Annotated[float, typer.Option(min=0.05, max=0.99, help="In how many of such studies.")] = 0.8,
    workers: Workers = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON, for programs.")] = False,
) -> None:
    """How many seeds and usable checkpoints the primary question needs, and how long that takes; in about a minute."""
    from json import dumps

    from headreuse.report.plan_in_words import as_json, lines
    from headreuse.report.planning import Wanted, plan_of
    from headreuse.study.reading import read_study

    folder = _open(study) if study.is_dir() else None
    made = plan_of(folder.study if folder else read_study(study), folder, Wanted(effect, power, workers), _say)
    for line in [dumps(as_json(made), indent=1)] if json else lines(made):
        print(line)


@app.command()
def tasks(
    name: Annotated[str | None, typer.Argument(help="A task; all are listed where none is given.")] = None,
    length: Annotated[
        int | None, typer.Option(min=1, help="Length of the examples.", show_default="6, or the smallest")
    ] = None,
    *,
    show: Annotated[int, typer.Option(min=1, help="Number of examples.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the examples.")] = 0,
    alphabet_size: Annotated[int, typer.Option(min=2, max=26, help="Letters of the string tasks.")] = 26,
    grid_size: Annotated[int, typer.Option(min=2, max=16, help="Side of the mazes' grid.")] = 8,
    own: Annotated[
        list[Path] | None, typer.Option("--from", help="A Python file of tasks of your own; checked, and listed last.")
    ] = None,
) -> None:
    """List the tasks, or print examples of one; into a pipe, one a line as `prompt<TAB>answer`."""
    from headreuse.study.listing import choices, example_lines, task_lines

    known = choices(own or [], alphabet_size=alphabet_size, grid_size=grid_size)
    if name is None:
        lines = task_lines(known, seed=seed)
    else:
        lines = example_lines(known[name], length=length, n=show, seed=seed, plain=not sys.stdout.isatty())
    for line in lines:
        print(line)


@app.command()
def checkpoints(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of checkpoint-<step> folders.")],
) -> None:
    """List a series of checkpoints, and say of each that cannot be used why."""
    from headreuse.models.checkpoints import discover

    series = discover(folder)
    for checkpoint in series.checkpoints:
        print(f"{checkpoint.step}\t{checkpoint.path}\t{checkpoint.fingerprint[:12]}")
    for skipped in series.skipped:
        _say(f"skipped {skipped.path}: {skipped.reason}")


@app.command()
def export(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    netcdf: Annotated[
        bool, typer.Option("--netcdf", help="Also head_scores.nc, per example (extra `netcdf`).")
    ] = False,
) -> None:
    """Copy the tables of a run folder out as CSV, with the study, versions and seeds that they came from."""
    from headreuse.report.publishing import export_netcdf, export_tables

    opened = _open(folder)
    _analyse(opened)
    for path in export_tables(opened, out):
        print(path)
    if netcdf:
        print(export_netcdf(opened, out))


def _begin(study: Path, out: Path | None) -> "RunFolder":
    """The run folder of a study file, begun where there is none, or of a run folder."""
    from headreuse.store.folder import RunFolder
    from headreuse.study.reading import read_study

    if study.is_dir():
        if out is not None:
            raise HeadreuseError(f"--out goes with a study file; {study} is a folder")
        return RunFolder.open(study)
    checked = read_study(study)
    return RunFolder.create(out or Path("runs") / checked.name, checked, command=f"headreuse run {study}")


def _open(folder: Path) -> "RunFolder":
    from headreuse.store.folder import RunFolder

    return RunFolder.open(folder)


def _work(folder: "RunFolder", resources: Resources, *, train: bool, measure: bool) -> list[str]:
    """Do what is missing of these stages; one line for each piece that failed."""
    from headreuse.training.torchrun import n_ranks
    from headreuse.work.engines import choose_engine
    from headreuse.work.progress import missing, progress
    from headreuse.work.schedule import train_together, work
    from headreuse.work.shards import Shard

    shard, found = Shard.parse(resources.shard), progress(folder)
    if n_ranks() > 1:
        if measure or resources.engine != "processes":
            raise HeadreuseError("processes started by torchrun only train: use `train`, then `run` without torchrun")
        train_together(folder, found, shard=shard)
        return []
    engine = choose_engine(resources.engine, n_workers=resources.workers, n_runs=len(found))
    lacking = missing(found, train=train, measure=measure)
    if not lacking:
        return []
    _say(f"{folder.root}: {lacking}")
    return work(folder, found, engine, shard=shard, train=train, measure=measure)


def _analyse(folder: "RunFolder") -> None:
    from headreuse.tables.make import make_tables

    make_tables(folder)


def _report(folder: "RunFolder", problems: list[str]) -> None:
    from headreuse.report.publishing import write_report

    write_report(folder)
    _end(problems, folder.report_file)


def _print_table(table: "DataFrame") -> None:
    """For people on a terminal, all columns and rows as CSV into a pipe."""
    if sys.stdout.isatty():
        print(table.dropna(axis="columns", how="all").to_string(index=False, max_rows=60, float_format="{:.3g}".format))
    else:
        print(table.to_csv(index=False), end="")


def _end(problems: list[str], result: Path) -> None:
    """Print where the result lies; status 1 where something failed."""
    print(result)
    if problems:
        _say(f"{len(problems)} of the pieces failed (above, and `headreuse status`); run again to try them again")
        raise typer.Exit(1)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """The `headreuse` command."""
    try:
        app()
    except HeadreuseError as error:
        _say(f"headreuse: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        _say("stopped; nothing finished is lost: the same command goes on from here")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
