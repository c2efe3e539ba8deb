"""What several commands share: a run folder opened, its missing work done, its tables made, its report written.

Heavy libraries are imported inside, so that help is quick.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from headreuse.command.ending import say
from headreuse.command.options import Resources
from headreuse.errors import HeadreuseError

if TYPE_CHECKING:
    from pandas import DataFrame

    from headreuse.store.folder import RunFolder

MOST_LINES = 20
"""About damage, before the rest is only counted."""


def begin(study: Path, out: Path | None) -> "RunFolder":
    """The run folder of a study file, begun where there is none, or of a run folder."""
    from headreuse.store.folder import RunFolder
    from headreuse.study.reading import read_study

    if study.is_dir():
        if out is not None:
            raise HeadreuseError(f"--out goes with a study file; {study} is a folder")
        return RunFolder.open(study)
    checked = read_study(study)
    return RunFolder.create(out or Path("runs") / checked.name, checked, command=f"headreuse run {study}")


def open_folder(folder: Path) -> "RunFolder":
    """An existing run folder."""
    from headreuse.store.folder import RunFolder

    return RunFolder.open(folder)


def do_work(folder: "RunFolder", resources: Resources, *, train: bool, measure: bool) -> list[str]:
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
    problems = work(folder, found, engine, shard=shard, train=train, measure=measure)
    if not folder.study_file.exists():
        raise HeadreuseError(f"{folder.root}: deleted while it was worked in; run the study file again")
    return damaged + problems


def _refuse_kept_tasks(folder: "RunFolder") -> None:
    """A run folder may be somebody else's: the code that it keeps is executed only where the user says so."""
    if folder.study.tasks:
        kept = ", ".join(file.file for file in folder.study.tasks)
        raise HeadreuseError(
            f"{folder.root}: the missing work would execute its kept copy of {kept}; "
            "run the study file instead, or read the copy in study.json and add --trust-tasks"
        )


def analyse(folder: "RunFolder") -> None:
    """Make the tables, after what is damaged has been said."""
    from headreuse.tables.make import make_tables
    from headreuse.tables.measured_transfer import about_transfer
    from headreuse.tables.results import Results

    say_faults([folder])
    make_tables(folder)
    for line in about_transfer(Results(folder)):
        say(line)


def say_faults(folders: list["RunFolder"]) -> None:
    """What of the results is damaged or missing, before anything is made of them."""
    from headreuse.tables.results import Results
    from headreuse.tables.verifying import faults

    for folder in folders:
        lines = faults(Results(folder))
        for line in lines[:MOST_LINES]:
            say(line)
        if len(lines) > MOST_LINES:
            say(f"{folder.root}: {len(lines) - MOST_LINES} more; `headreuse verify {folder.root}` lists all")


def publish(folder: "RunFolder", problems: list[str]) -> None:
    """Write the report, and end."""
    from headreuse.report.publishing import write_report

    write_report(folder)
    end(problems, folder.report_file)


def print_table(table: "DataFrame") -> None:
    """For people on a terminal, all columns and rows as CSV into a pipe."""
    if sys.stdout.isatty():
        print(table.dropna(axis="columns", how="all").to_string(index=False, max_rows=60, float_format="{:.3g}".format))
    else:
        print(table.to_csv(index=False), end="")


def end(problems: list[str], result: Path) -> None:
    """Print where the result lies; status 1 where something failed."""
    print(result)
    if problems:
        say(f"{len(problems)} of the pieces failed, as said above and by `headreuse status`; `run` tries them again")
        raise typer.Exit(1)
