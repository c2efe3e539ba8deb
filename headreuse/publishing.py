"""The report and the exports of a run folder, written out."""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import xarray as xr

from headreuse.analysis import make_tables
from headreuse.figures import RunPattern
from headreuse.measured import Measured
from headreuse.problems import HeadreuseError
from headreuse.report import ReportInputs, render
from headreuse.several import Joined
from headreuse.store import RunFolder, written_whole

REPORTED = ("accuracy", "head_scores", "transfer", "overlap", "correlation")


def write_report(folder: RunFolder) -> None:
    """The page of a run folder, from what has been measured so far."""
    measured = Measured(folder)
    record = folder.study_record()
    tables = make_tables(folder)
    inputs = ReportInputs(
        study=measured.study,
        versions=record["versions"],
        command=record["command"],
        **{name: tables[name] for name in REPORTED},
        patterns=tuple(_last_patterns(measured)),
        problems=folder.errors(),
    )
    folder.write_text(folder.report_file, render(inputs))


def _last_patterns(measured: Measured) -> Iterator[RunPattern]:
    """The mean patterns of each run's last measured checkpoint."""
    last = {(entry.checkpoint.group, entry.checkpoint.seed): entry for entry in measured.checkpoints()}
    for (group, seed), entry in last.items():
        yield from (RunPattern(group, seed, entry.checkpoint.step, pattern) for pattern in entry.patterns())


def export_tables(folder: RunFolder, out: Path) -> list[Path]:
    """Every table as CSV, and study.json with the study, seeds, versions and command that they came from."""
    written = []
    for name, table in make_tables(folder).items():
        path = out / f"{name}.csv"
        with written_whole(path) as draft:
            table.to_csv(draft, index=False)
        written.append(path)
    path = out / "study.json"
    folder.write_text(path, json.dumps(folder.study_record(), indent=2) + "\n")
    return [*written, path]


def export_netcdf(folder: RunFolder, out: Path) -> Path:
    """All per-example head scores as one NetCDF file, a group for each `group/seed/step/task/method`."""
    if find_spec("h5netcdf") is None:
        raise HeadreuseError("--netcdf needs the extra `netcdf`: pip install 'headreuse[netcdf]'")
    tree = {}
    for entry in Measured(folder).checkpoints():
        at = entry.checkpoint
        for scores in entry.head_scores():
            tree[f"{at.group}/seed-{at.seed}/step-{at.step}/{scores.task}/{scores.method}"] = scores.to_xarray()
    path = out / "head_scores.nc"
    with written_whole(path) as draft:
        xr.DataTree.from_dict(tree).to_netcdf(draft, engine="h5netcdf")
    return path


def write_correlation_report(joined: Joined, out: Path) -> list[Path]:
    """The correlation table of one or several run folders as CSV; returns what was written."""
    path = out / "correlation.csv"
    with written_whole(path) as draft:
        joined.tables["correlation"].to_csv(draft, index=False)
    return [path]
