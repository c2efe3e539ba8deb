"""The command line. Read this first: `run` is the whole path, the other commands are its stages one by one.

`ending.py` says how a command ends. Heavy libraries are imported inside the commands that need them, so that help and
lists are quick.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headreuse import __version__
from headreuse.ending import run_and_exit, say
from headreuse.errors import HeadreuseError, NothingMeasuredError
from headreuse.options import (
    WHOLE,
    AllowPickles,
    EngineName,
    ExportOut,
    Folder,
    Folders,
    Json,
    Out,
    OwnTasks,
    PartOfWork,
    PathOrRepo,
    ReportOut,
    Resources,
    StudyOrFolder,
    TrustTasks,
    Workers,
)

if TYPE_CHECKING:
    from pandas import DataFrame

    from headreuse.store.folder import RunFolder

MOST_LINES = 20
"""About damage, before the rest is only counted."""

app = typer.Typer(
    help="Do two tasks use the same attention heads, and does that predict how well one extrapolates?",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def headreuse(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Do two tasks use the same attention heads, and does that predict how well one extrapolates?"""
    if version:
        print(f"headreuse {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command(epilog="Example: headreuse run my_study.toml --out runs/first")
def run(
    study: StudyOrFolder,
    out: Out = None,
    workers: Workers = None,
    engine: EngineName = "processes",
    shard: PartOfWork = None,
    trust_tasks: TrustTasks = False,
) -> None:
    """Train, measure, analyse and report; what is done already is not done again."""
    folder = _begin(study, out)
    resources = Resources(workers, engine, shard or WHOLE, trust_tasks or study.is_file())
    problems = _work(folder, resources, train=True, measure=True)
    try:
        _analyse(folder)
    except NothingMeasuredError:
        if not (shard or problems):
            raise
        _end(problems, folder.root)
    else:
        _report(folder, problems)


@app.command(epilog="Example: headreuse train my_study.toml --shard 1/4")
def train(
    study: StudyOrFolder,
    out: Out = None,
    workers: Workers = None,
    engine: EngineName = "processes",
    shard: PartOfWork = None,
    trust_tasks: TrustTasks = False,
) -> None:
    """Train the models of a study and keep their checkpoints."""
    folder = _begin(study, out)
    resources = Resources(workers, engine, shard or WHOLE, trust_tasks or study.is_file())
    _end(_work(folder, resources, train=True, measure=False), folder.root)


@app.command(epilog="Example: headreuse score runs/demo --workers 2")
def score(
    folder: Folder,
    workers: Workers = None,
    engine: EngineName = "processes",
    shard: PartOfWork = None,
    trust_tasks: TrustTasks = False,
) -> None:
    """Measure accuracy, attention patterns and head scores at every checkpoint."""
    opened = _open(folder)
    _end(_work(opened, Resources(workers, engine, shard or WHOLE, trust_tasks), train=False, measure=True), opened.root)


@app.command(epilog="Example: headreuse overlap runs/demo > overlap.csv")
def overlap(folders: Folders) -> None:
    """How alike two tasks' heads are at each checkpoint: the overlap table of one run folder or several together."""
    from headreuse.tables.join import join

    _say_faults([_open(folder) for folder in folders])
    _print_table(join(folders).tables["overlap"])


@app.command(epilog="Example: headreuse correlate runs/a runs/b --out both")
def correlate(folders: Folders, out: ReportOut = None) -> None:
    """Does transfer go with overlap? The correlation table, and with --out a report as HTML, Markdown and CSV."""
    from headreuse.report.publishing import write_correlation_report
    from headreuse.store.writing import make_folder
    from headreuse.tables.join import join

    if out:
        make_folder(out)
    _say_faults([_open(folder) for folder in folders])
    joined = join(folders)
    if out is None:
        _print_table(joined.tables["correlation"])
        return
    for file in write_correlation_report(joined, out):
        print(file)


@app.command(epilog="Example: headreuse report runs/demo")
def report(folder: Folder) -> None:
    """Write the report from what has been measured so far."""
    opened = _open(folder)
    _analyse(opened)
    _report(opened, [])


@app.command(epilog="Example: headreuse status runs/demo")
def status(folder: Folder) -> None:
    """What is done, what is missing, what failed, what is damaged."""
    from headreuse.tables.results import Results
    from headreuse.tables.verifying import out_of_date

    opened = _open(folder)
    _say_faults([opened])
    for line in out_of_date(results := Results(opened)):
        say(line)
    for entry in results.progress:
        n_there, n_units = len(entry.checkpoints), len(entry.done) + len(entry.missing)
        done = f"{len(entry.done)} of {n_units} measurements of those"
        print(f"{entry.run}: {n_there} of {entry.n_steps} checkpoints, {done}")
    for line in opened.errors():
        print(f"failed: {line}")


@app.command(epilog="Example: headreuse plan my_study.toml --effect 0.5")
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
    made = plan_of(folder.study if folder else read_study(study), folder, Wanted(effect, power, workers), say)
    for line in [dumps(as_json(made), indent=1)] if json else lines(made):
        print(line)


@app.command(epilog="Example: headreuse check my_study.toml")
def check(study: StudyOrFolder, out: Out = None, workers: Workers = None, json: Json = False) -> None:
    """Everything that can be known of a study before it is run, and nothing trained; status 1 where it would fail."""
    from headreuse.report.check_in_words import as_json, lines
    from headreuse.study.reading import read_study
    from headreuse.work.checking import check_of

    asked = _open(study).study if study.is_dir() else read_study(study)
    facts = check_of(asked, out or Path("runs") / asked.name, n_workers=workers, tell=say)
    for line in [as_json(facts)] if json else lines(facts):
        print(line)
    if facts.problems:
        raise typer.Exit(1)


@app.command(epilog="Example: headreuse verify runs/demo")
def verify(folder: Folder, json: Json = False) -> None:
    """Read every file of a run folder; say what is damaged or missing and what mends it (then with status 1)."""
    from headreuse.tables.verifying import all_faults, as_json

    lines = all_faults(_open(folder))
    for line in [as_json(folder, lines)] if json else lines or [f"{folder}: whole"]:
        print(line)
    if lines:
        raise typer.Exit(1)


@app.command(epilog="Example: headreuse tasks reverse --length 8 --show 5")
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
    own: OwnTasks = None,
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


@app.command(epilog="Example: headreuse checkpoints runs/demo/checkpoints/reverse/seed-0")
def checkpoints(
    place: PathOrRepo = None,
    known: Annotated[bool, typer.Option("--known", help="List the series on the Hub that have a short name.")] = False,
    allow_pickles: AllowPickles = False,
    json: Json = False,
) -> None:
    """List a series: step, tokens, whether each checkpoint is whole and what its model is; of others why not."""
    from headreuse.sources.series.known import known_series
    from headreuse.sources.series.listing import as_json, known_json, known_table, remarks, rows_at, table

    if known == (place is not None):
        raise HeadreuseError("give a folder or a repository, or --known for the series that have a short name")
    plain = not sys.stdout.isatty()
    if place is None:
        found = known_series().values()
        lines = [known_json(found)] if json else known_table(found, plain=plain)
    else:
        rows = rows_at(place, allow_pickles=allow_pickles)
        lines = [as_json(rows)] if json else table(rows, plain=plain)
        for line in remarks(rows):
            say(line)
    for line in lines:
        print(line)


@app.command(epilog="Example: headreuse export runs/demo --out tables")
def export(
    folder: Folder,
    out: ExportOut,
    netcdf: Annotated[
        bool, typer.Option("--netcdf", help="Also head_scores.nc, per example (extra `netcdf`).")
    ] = False,
) -> None:
    """Copy the tables of a run folder out as CSV, with the study, versions and seeds that they came from."""
    from headreuse.report.publishing import export_netcdf, export_tables
    from headreuse.store.writing import make_folder

    opened = _open(folder)
    make_folder(out)
    _analyse(opened)
    for file in export_tables(opened, out):
        print(file)
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
    from headreuse.sources import look_again
    from headreuse.store.writing import drop_drafts
    from headreuse.training.torchrun import n_ranks
    from headreuse.work.engines import choose_engine
    from headreuse.work.mending import damaged_checkpoints, set_aside_damaged
    from headreuse.work.progress import missing, n_jobs, progress
    from headreuse.work.schedule import train_together, work

    drop_drafts(folder.root)
    look_again(folder)
    shard, found = resources.shard, progress(folder)
    damaged = list(damaged_checkpoints(folder, found)) if measure else []
    for line in [*(set_aside_damaged(folder, found) if measure else []), *damaged]:
        say(line)
    lacking = missing(found, train=train, measure=measure)
    if lacking and not resources.trust_tasks:
        _refuse_kept_tasks(folder)
    if n_ranks() > 1:
        if measure or resources.engine != "processes":
            raise HeadreuseError("processes started by torchrun only train: use `train`, then `run` without torchrun")
        train_together(folder, found, shard=shard)
        return []
    engine = choose_engine(resources.engine, n_workers=resources.workers, n_jobs=n_jobs(found))
    if not lacking:
        return damaged
    say(f"{folder.root}: {lacking}")
    return damaged + work(folder, found, engine, shard=shard, train=train, measure=measure)


def _refuse_kept_tasks(folder: "RunFolder") -> None:
    """A run folder may be somebody else's: the code that it keeps is executed only where the user says so."""
    if folder.study.tasks:
        kept = ", ".join(file.file for file in folder.study.tasks)
        raise HeadreuseError(
            f"{folder.root}: the missing work would execute its kept copy of {kept}; "
            "run the study file instead, or read the copy in study.json and add --trust-tasks"
        )


def _analyse(folder: "RunFolder") -> None:
    from headreuse.tables.make import make_tables
    from headreuse.tables.measured_transfer import about_transfer
    from headreuse.tables.results import Results

    _say_faults([folder])
    make_tables(folder)
    for line in about_transfer(Results(folder)):
        say(line)


def _say_faults(folders: list["RunFolder"]) -> None:
    """What of the results is damaged or missing, before anything is made of them."""
    from headreuse.tables.results import Results
    from headreuse.tables.verifying import faults

    for folder in folders:
        lines = faults(Results(folder))
        for line in lines[:MOST_LINES]:
            say(line)
        if len(lines) > MOST_LINES:
            say(f"{folder.root}: {len(lines) - MOST_LINES} more; `headreuse verify {folder.root}` lists all")


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
        say(f"{len(problems)} of the pieces failed, as said above and by `headreuse status`; `run` tries them again")
        raise typer.Exit(1)


def main() -> None:
    """The `headreuse` command."""
    run_and_exit(app)


if __name__ == "__main__":
    main()
