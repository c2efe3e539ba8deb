"""The command line. Read this first: `run` is the whole path, the other commands are its stages one by one.

`command/stages.py` has the stages, `command/ending.py` how a command ends. Heavy libraries are imported inside the
commands that need them, so that help and lists are quick.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from headreuse import __version__
from headreuse.command.ending import run_and_exit, say
from headreuse.command.options import (
    WHOLE,
    AllowPickles,
    Choose,
    EngineName,
    ExportOut,
    FigureFile,
    FigureFormat,
    FigureName,
    Folder,
    Folders,
    Height,
    Json,
    Out,
    OwnTasks,
    Panels,
    PartOfWork,
    PathOrRepo,
    ReportOut,
    Resources,
    StudyOrFolder,
    TableFile,
    TableFormat,
    Titled,
    TrustTasks,
    Width,
    Workers,
)
from headreuse.command.stages import analyse, begin, do_work, end, open_folder, print_table, publish, say_faults
from headreuse.errors import HeadreuseError, NothingMeasuredError
from headreuse.work.ticker import Ticker

app = typer.Typer(
    help="Do two tasks use the same attention heads, and does that predict how well one extrapolates?",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def headreuse(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Before the command: show failures alone.")] = False,
) -> None:
    """Do two tasks use the same attention heads, and does that predict how well one extrapolates?"""
    Ticker.is_quiet = quiet
    if version:
        print(f"headreuse {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command(epilog="Example: headreuse run my_study.toml --out runs/first")
def run(
    study: StudyOrFolder,
    out: Out = None,
    *,
    workers: Workers = None,
    engine: EngineName = "processes",
    shard: PartOfWork = None,
    trust_tasks: TrustTasks = False,
) -> None:
    """Train, measure, analyse and report; what is done already is not done again."""
    folder = begin(study, out)
    resources = Resources(workers, engine, shard or WHOLE, trust_tasks or study.is_file())
    problems = do_work(folder, resources, train=True, measure=True)
    try:
        analyse(folder)
    except NothingMeasuredError:
        if not (shard or problems):
            raise
        end(problems, folder.root)
    else:
        publish(folder, problems)


@app.command(epilog="Example: headreuse train my_study.toml --shard 1/4")
def train(
    study: StudyOrFolder,
    out: Out = None,
    *,
    workers: Workers = None,
    engine: EngineName = "processes",
    shard: PartOfWork = None,
    trust_tasks: TrustTasks = False,
) -> None:
    """Train the models of a study and keep their checkpoints."""
    folder = begin(study, out)
    resources = Resources(workers, engine, shard or WHOLE, trust_tasks or study.is_file())
    end(do_work(folder, resources, train=True, measure=False), folder.root)


@app.command(epilog="Example: headreuse score runs/demo --workers 2")
def score(
    folder: Folder,
    *,
    workers: Workers = None,
    engine: EngineName = "processes",
    shard: PartOfWork = None,
    trust_tasks: TrustTasks = False,
) -> None:
    """Measure accuracy, attention patterns and head scores at every checkpoint."""
    opened = open_folder(folder)
    resources = Resources(workers, engine, shard or WHOLE, trust_tasks)
    end(do_work(opened, resources, train=False, measure=True), opened.root)


@app.command(epilog="Example: headreuse overlap runs/demo > overlap.csv")
def overlap(folders: Folders) -> None:
    """How alike two tasks' heads are at each checkpoint: the overlap table of one run folder or several together."""
    from headreuse.tables.join import join

    say_faults([open_folder(folder) for folder in folders])
    print_table(join(folders).tables["overlap"])


@app.command(epilog="Example: headreuse correlate runs/a runs/b --out both")
def correlate(folders: Folders, out: ReportOut = None) -> None:
    """Does transfer go with overlap? The correlation table, and with --out a report as HTML, Markdown and CSV."""
    from headreuse.report.publishing import write_correlation_report
    from headreuse.store.writing import make_folder
    from headreuse.tables.join import join

    if out:
        make_folder(out)
    say_faults([open_folder(folder) for folder in folders])
    joined = join(folders)
    if out is None:
        print_table(joined.tables["correlation"])
        return
    for file in write_correlation_report(joined, out):
        print(file)


@app.command(epilog="Example: headreuse compare runs/a runs/b")
def compare(a: Folder, b: Folder, json: Json = False) -> None:
    """Two studies side by side: the settings that differ, and how far what was measured at the end does."""
    from headreuse.report.comparison_in_words import as_json, lines
    from headreuse.tables.side_by_side import side_by_side

    folders = [open_folder(folder) for folder in (a, b)]
    say_faults(folders)
    found, names = side_by_side(*folders), [str(folder.root) for folder in folders]
    for line in [as_json(found, names)] if json else lines(found, names):
        print(line)


@app.command(epilog="Example: headreuse report runs/demo")
def report(folder: Folder) -> None:
    """Write the report from what has been measured so far."""
    opened = open_folder(folder)
    analyse(opened)
    publish(opened, [])


@app.command(epilog="Example: headreuse status runs/demo --watch")
def status(
    folder: Folder,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until nothing is missing.")] = False,
    json: Json = False,
) -> None:
    """What is done, what is missing, what failed, what is damaged."""
    from headreuse.command.standing import standing, watched

    say_faults([open_folder(folder)])
    looks = watched(lambda: standing(open_folder(folder))) if watch else [standing(open_folder(folder))]
    for found in looks:
        for line in found.out_of_date:
            say(line)
        for line in [found.as_json] if json else found.lines:
            print(line)


@app.command(epilog="Example: headreuse new my_study")
def new(name: Annotated[str, typer.Argument(help="Of the study; its file is NAME.toml, in this folder.")]) -> None:
    """Write a study file to begin with: it runs as it is, and has every usual choice as a comment."""
    from headreuse.store.writing import write_text
    from headreuse.study.template import template

    text, file = template(name), Path(f"{name}.toml")
    if file.exists():
        raise HeadreuseError(f"{file} is there already; give another name")
    write_text(file, text)
    print(file)


@app.command(epilog="Example: headreuse schema > headreuse.schema.json")
def schema() -> None:
    """Print the JSON schema of study files, by which editors complete and check them."""
    from json import dumps

    from headreuse.study.schema import schema as of_studies

    print(dumps(of_studies(), indent=1, ensure_ascii=False))


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

    folder = open_folder(study) if study.is_dir() else None
    made = plan_of(folder.study if folder else read_study(study), folder, Wanted(effect, power, workers), say)
    for line in [dumps(as_json(made), indent=1)] if json else lines(made):
        print(line)


@app.command(epilog="Example: headreuse check my_study.toml")
def check(study: StudyOrFolder, out: Out = None, workers: Workers = None, json: Json = False) -> None:
    """Everything that can be known of a study before it is run, and nothing trained; status 1 where it would fail."""
    from headreuse.report.check_in_words import as_json, lines
    from headreuse.study.reading import read_study
    from headreuse.work.checking import check_of

    asked = open_folder(study).study if study.is_dir() else read_study(study)
    facts = check_of(asked, out or Path("runs") / asked.name, n_workers=workers, tell=say)
    for line in [as_json(facts)] if json else lines(facts):
        print(line)
    if facts.problems:
        raise typer.Exit(1)


@app.command(epilog="Example: headreuse verify runs/demo")
def verify(folder: Folder, json: Json = False) -> None:
    """Read every file of a run folder; say what is damaged or missing and what mends it (then with status 1)."""
    from headreuse.tables.verifying import all_faults, as_json

    lines = all_faults(open_folder(folder))
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
    json: Json = False,
) -> None:
    """List the tasks, or print examples of one; into a pipe, one a line as `prompt<TAB>answer`."""
    from headreuse.study.listing import choices, example_lines, task_lines, tasks_json

    known = choices(own or [], alphabet_size=alphabet_size, grid_size=grid_size)
    if json:
        chosen = known if name is None else {name: known[name]}
        lines = iter([tasks_json(chosen, length=length, n=show, seed=seed)])
    elif name is None:
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


@app.command(epilog="Example: headreuse figure runs/demo ablation-copy_control --width 3.25in --choose step=750")
def figure(
    folder: Folder,
    name: FigureName = None,
    *,
    kind: FigureFormat = None,
    width: Width = "3.25in",
    height: Height = None,
    out: FigureFile = None,
    choose: Choose = None,
    panel: Panels = None,
    title: Titled = False,
) -> None:
    """Write a figure of the report for a paper, in the size in which it is printed (extra `png`); or list them all."""
    from headreuse.command.figures import Wanted, figure_lines, write_figure

    wanted = Wanted(name or "", kind, width, height, out, tuple(choose or ()), tuple(panel or ()), title)
    opened = open_folder(folder)
    say_faults([opened])
    for line in [write_figure(opened, wanted)] if name else figure_lines(opened):
        print(line)


@app.command(epilog="Example: headreuse table runs/demo --format latex --out table.tex")
def table(folder: Folder, kind: TableFormat = "latex", out: TableFile = None) -> None:
    """The headline table for a paper: accuracy, overlap and the answer of each group, as LaTeX or Markdown."""
    from headreuse.report.headline import headline
    from headreuse.report.publishing import report_inputs
    from headreuse.report.typeset import check_form, typeset
    from headreuse.store.writing import write_text

    check_form(kind)
    opened = open_folder(folder)
    say_faults([opened])
    text = typeset(headline(report_inputs(opened)), kind)
    if out is None:
        print(text, end="")
    else:
        write_text(out, text)
        print(out)


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

    opened = open_folder(folder)
    make_folder(out)
    analyse(opened)
    for file in export_tables(opened, out):
        print(file)
    if netcdf:
        print(export_netcdf(opened, out))


def main() -> None:
    """The `headreuse` command."""
    run_and_exit(app)


if __name__ == "__main__":
    main()
