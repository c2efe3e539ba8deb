"""The report and the exports of a run folder, written out."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from headreuse.errors import HeadreuseError
from headreuse.figures import RunPattern
from headreuse.measurements.head_scores import HeadScoresOf
from headreuse.measurements.pattern import MeanPatterns
from headreuse.report import ReportInputs, correlation_page, markdown, render
from headreuse.store.folder import RunFolder
from headreuse.store.writing import write_json, write_text, written_whole
from headreuse.tables.join import Joined
from headreuse.tables.make import make_tables
from headreuse.tables.results import MeasuredCheckpoint, Results


def write_report(folder: RunFolder) -> None:
    """The page of a run folder, from what has been measured so far."""
    write_text(folder.report_file, render(report_inputs(folder)))


def report_inputs(folder: RunFolder) -> ReportInputs:
    """What the page of a run folder is made from, as far as it has been measured."""
    record = folder.study_record
    tables, last = make_tables(folder), _last_checkpoints(Results(folder))
    return ReportInputs(
        study=folder.study,
        versions=record["versions"],
        command=record["command"],
        **_reported(tables),
        patterns=tuple(_patterns(last)),
        lined_up=dict(_lined_up(last)),
        problems=folder.errors(),
    )


def _reported(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """The tables that a report is made from, by the names of its inputs."""
    return {field.name: tables[field.name] for field in fields(ReportInputs) if field.name in tables}


def _last_checkpoints(results: Results) -> list[MeasuredCheckpoint]:
    """The last measured checkpoint of each run."""
    return list({entry.run: entry for entry in results.checkpoints()}.values())


def _patterns(last: Iterable[MeasuredCheckpoint]) -> Iterator[RunPattern]:
    """The mean patterns of the prompts that line up."""
    for entry in last:
        for pattern in entry.results(MeanPatterns):
            if pattern is not None:
                yield RunPattern(entry.group.name, entry.run.label, entry.checkpoint.step, pattern)


def _lined_up(last: Iterable[MeasuredCheckpoint]) -> Iterator[tuple[str, bool]]:
    """Whether the prompts of each task line up: only then is there a mean pattern."""
    for entry in last:
        for unit, pattern in zip(entry.units_of(MeanPatterns), entry.results(MeanPatterns), strict=True):
            yield unit.task, pattern is not None


def export_tables(folder: RunFolder, out: Path) -> list[Path]:
    """Every table as CSV, and study.json with the study, seeds, versions and command that they came from."""
    written = []
    for name, table in make_tables(folder).items():
        path = out / f"{name}.csv"
        with written_whole(path) as draft:
            table.to_csv(draft, index=False)
        written.append(path)
    path = out / "study.json"
    write_json(path, folder.study_record)
    return [*written, path]


def export_netcdf(folder: RunFolder, out: Path) -> Path:
    """All per-example head scores as one NetCDF file, a group for each `group/seed/step/task/method`."""
    if find_spec("h5netcdf") is None:
        raise HeadreuseError("--netcdf needs the extra `netcdf`: pip install 'headreuse[netcdf]'")
    # Slow to import, and needed here alone.
    import xarray as xr

    tree = {}
    for entry in Results(folder).checkpoints():
        for scores in entry.results(HeadScoresOf):
            place = f"{entry.group.name}/seed-{entry.run.label}/step-{entry.checkpoint.step}"
            tree[f"{place}/{scores.task}/{scores.method}"] = scores.to_xarray()
    path = out / "head_scores.nc"
    with written_whole(path) as draft:
        xr.DataTree.from_dict(tree).to_netcdf(draft, engine="h5netcdf")
    return path


def write_correlation_report(joined: Joined, out: Path) -> list[Path]:
    """The correlation report of one or several run folders as HTML, Markdown and CSV; returns what was written."""
    inputs = correlation_inputs(joined)
    page = correlation_page(inputs)
    texts = {
        "correlation.html": render(inputs, page),
        "correlation.md": markdown(inputs, page, all_rows="correlation.csv"),
        "correlation.csv": inputs.correlation.to_csv(index=False),
    }
    written = []
    for name, text in texts.items():
        path = out / name
        with written_whole(path) as draft:
            draft.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def correlation_inputs(joined: Joined) -> ReportInputs:
    """What the correlation report is made from: the joined tables, and where each folder comes from."""
    studies = {label: folder.study for label, folder in zip(joined.labels, joined.folders, strict=True)}
    records = {label: folder.study_record for label, folder in zip(joined.labels, joined.folders, strict=True)}
    first, several = next(iter(studies.values())), len(studies) > 1
    prefix = {label: f"{label}: " if several else "" for label in joined.labels}
    whole = {
        "name": " + ".join(joined.labels) if several else first.name,
        "groups": joined.groups,
        "primary": joined.question,
        "seeds": tuple(sorted({seed for study in studies.values() for seed in study.seeds})),
    }
    return ReportInputs(
        study=first.model_copy(update=whole),
        studies=studies if several else {},
        versions={
            f"{prefix[label]}{name}": version
            for label, record in records.items()
            for name, version in ({"made by": record["command"]} | record["versions"]).items()
        },
        command=shlex.join(["headreuse", "correlate", *(str(folder.root) for folder in joined.folders)]),
        **_reported(joined.tables),
        problems=[
            f"{prefix[label]}{line}"
            for label, folder in zip(joined.labels, joined.folders, strict=True)
            for line in folder.errors()
        ],
    )
