"""A whole tiny study through the command line: killed at any moment, run again, told to go wrong.

Covers `tables/make.py`, `tables/results.py`, `tables/accuracy.py`, `tables/head_scores.py`, `tables/overlap.py` and
`report/publishing.py`.
"""

import errno
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd
import pytest
import torch
from command_line import headreuse

from headreuse.cli import main
from headreuse.store.folder import RunFolder
from headreuse.store.notes import noted_checkpoint
from headreuse.tables import base
from headreuse.tables.columns import FURTHER
from headreuse.tables.make import compute_tables
from headreuse.tables.results import Results
from headreuse.work.machine import usable_cores
from headreuse.work.shards import Shard

TABLES = {
    "accuracy": "group seed step task role length n accuracy ci_low ci_high",
    "head_scores": "group seed step task length method outcome layer head baseline effect ci_low ci_high",
    "transfer": "group seed step gap transfer_fraction accuracy_in_distribution accuracy_transfer accuracy_beyond",
    "overlap": "group seed step task_a task_b length method outcome metric value ci_low ci_high chance p_chance "
    "noise_floor usable",
    "functional_overlap": "group seed step source target outcome n_heads value ci_low ci_high chance p_chance usable",
    "training_log": "group seed step task length regime accuracy loss",
    "clocks": "group seed role level step",
    "checkpoints": "group seed step tokens place fingerprint",
    "measured_transfer": "group seed step",
    "arms": "group_a group_b differs_in measure value_a value_b difference ci_low ci_high p least_p n_a n_b is_paired",
    "synergy": "group seed step task length outcome layer_a head_a layer_b head_b synergy ci_low ci_high",
    "ablation_by_length": "group seed step task length ablated auxiliary heads n_heads outcome n baseline without loss",
    "correlation": "group overlap_metric transfer_metric statistic value ci_low ci_high p q n_runs n_points",
}
"""The columns that every table has; it may have more."""
UNASKED = {"measured_transfer", "arms", "synergy", "ablation_by_length"}
"""Tables that have no rows where a study asks for nothing of the kind."""
N_RUNS = 4

STUDY = """
name = "tiny"
seeds = [0, 1]
alphabet_size = 3
model = { n_layers = 1, n_heads = 2, d_model = 16 }
training = { steps = 24, batch_size = 8, log_every = 8, checkpoints = { every = 8 } }
measures = { n_examples = 8, n_score_examples = 8, beyond = 1 }
[[groups]]
name = "related"
main = { task = "capitalize_reverse", max_length = 2 }
auxiliary = [{ task = "reverse", max_length = 4 }]
[[groups]]
name = "unrelated"
kind = "control"
main = { task = "copy", max_length = 2 }
auxiliary = [{ task = "reverse", max_length = 4 }]
"""
RUNS = ("related seed 0", "related seed 1", "unrelated seed 0", "unrelated seed 1")


def started(*arguments: object) -> subprocess.Popen:
    """The command in a process of its own, which starts workers."""
    command = [sys.executable, "-m", "headreuse.cli", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def forked(*arguments: object) -> BaseProcess:
    """The command in a fork of this process, which does all the work itself and has its libraries loaded already."""
    process = multiprocessing.get_context("fork").Process(target=alone, args=arguments)
    process.start()
    return process


def alone(*arguments: object) -> None:
    # As many threads as each worker has: with others, sums may be rounded differently.
    torch.set_num_threads(max(1, usable_cores() // N_RUNS))
    headreuse(*arguments, "--workers", 0)


def kill_after(files: Callable[[], int], n_more: int, start: Callable[[], subprocess.Popen | BaseProcess]) -> None:
    """Start a process, and kill it as soon as there are so many more files."""
    n_before, process = files(), start()

    def running() -> bool:
        return process.is_alive() if isinstance(process, BaseProcess) else process.poll() is None

    while running() and files() < n_before + n_more:
        time.sleep(0.005)
    assert running(), "ended before it could be killed"
    process.kill()
    # Its workers write to the same pipe, so this waits for them, too.
    process.join() if isinstance(process, BaseProcess) else process.communicate()


def tables(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((folder / "tables").glob("*.csv"))}


@pytest.fixture(scope="module")
def study_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("study") / "tiny.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def undisturbed(study_file, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "tiny"
    process = started("run", study_file, "--out", folder)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert out.strip().endswith("report.html")
    return folder


MOMENTS = [
    (forked, "checkpoints/*/*/checkpoint-*", 1),
    (forked, "checkpoints/*/*/checkpoint-16", 1),
    (started, "checkpoints/*/*/checkpoint-24/headreuse.json", 2),
    (forked, "measurements/*/*.parquet", 3),
    (forked, "tables/*.csv", 2),
]
"""How the command is run, and after how many more files of which name it is killed."""


@pytest.mark.slow
# Newer versions of Python warn of what is meant here.
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_run_killed_at_five_moments_ends_with_the_tables_of_one_that_was_not(study_file, undisturbed, tmp_path):
    folder = tmp_path / "killed"
    for start, pattern, n_more in MOMENTS:
        kill_after(
            lambda pattern=pattern: len(list(folder.glob(pattern))),
            n_more,
            lambda start=start: start("run", study_file, "--out", folder),
        )
    status, _, err = headreuse("run", study_file, "--out", folder)
    assert status == 0, err
    assert tables(folder) == tables(undisturbed)
    assert set(tables(folder)) == {f"{name}.csv" for name in TABLES}


def test_running_again_trains_and_measures_nothing(study_file, undisturbed):
    def stamps() -> dict[Path, int]:
        return {
            path: path.stat().st_mtime_ns
            for part in ("checkpoints", "measurements", "tables")
            for path in (undisturbed / part).rglob("*")
        }

    before = stamps()
    status, out, err = headreuse("run", study_file, "--out", undisturbed)
    assert (status, err) == (0, "")
    assert out.strip() == str(undisturbed / "report.html")
    assert stamps() == before


def test_export_writes_every_table_with_its_columns_and_where_it_came_from(undisturbed, tmp_path):
    status, _, err = headreuse("export", undisturbed, "--out", tmp_path)
    assert status == 0, err
    for name, columns in TABLES.items():
        frame = pd.read_csv(tmp_path / f"{name}.csv")
        assert set(columns.split()) <= set(frame.columns), name
        assert (len(frame) > 0) == (name not in UNASKED), name
    assert '"seeds"' in (tmp_path / "study.json").read_text()
    assert '"torch"' in (tmp_path / "study.json").read_text()


def test_every_column_of_a_run_s_tables_is_explained_in_their_order(undisturbed):
    for name, table in base.TABLES.items():
        columns = list(pd.read_csv(undisturbed / "tables" / f"{name}.csv", nrows=0).columns)
        rest = [column for column in table.columns if column not in ("transfer", "completeness_error", FURTHER)]
        assert columns == rest, name


def test_no_p_value_over_checkpoints_is_given(undisturbed):
    correlation = pd.read_csv(undisturbed / "tables" / "correlation.csv")
    assert correlation["p"].isna().all()
    assert correlation["q"].isna().all()


def test_status_counts_what_is_done(undisturbed):
    status, out, _ = headreuse("status", undisturbed)
    assert status == 0
    assert out.count("3 of 3 checkpoints, 20 of 20 measurements") == 4


def failures(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("failed: ")]


@pytest.mark.slow
def test_a_truncated_checkpoint_is_told_in_one_line_and_the_rest_is_measured(study_file, undisturbed, tmp_path):
    folder = tmp_path / "tiny"
    shutil.copytree(undisturbed, folder)
    shutil.rmtree(folder / "tables")
    shutil.rmtree(folder / "measurements" / fingerprint_at_step_16(folder, 0))
    weights = folder / "checkpoints" / "related" / "seed-0" / "checkpoint-16" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    for command, result in (("score", folder), ("run", folder / "report.html")):
        status, out, err = headreuse(command, folder, "--workers", 0)
        assert status == 1
        assert len(failures(err)) == 1
        assert "checkpoint-16" in failures(err)[0]
        assert out.strip() == str(result)
    accuracy = pd.read_csv(folder / "tables" / "accuracy.csv")
    assert len(accuracy.groupby(["group", "seed", "step"])) == 11
    assert "checkpoint-16" in headreuse("status", folder)[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "none.toml"], "none.toml: 1 problem\n  no such file"),
        (["status", "nowhere"], "nowhere: not a run folder (no such folder)"),
        (["tasks", "revers"], "unknown task 'revers' (did you mean 'reverse'?)"),
        (["tasks", "copy", "--length", "0"], "--length"),
        (["run", "none.toml", "--shard", "5/4"], "'5/4' is no part such as 1/4"),
        (["checkpoints", "nowhere"], "nowhere"),
    ],
)
def test_a_wrong_input_gets_one_clear_line_and_status_2(arguments, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = headreuse(*arguments)
    assert status == 2
    assert told in err
    assert "Traceback" not in err


def ended(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command in this process."""
    monkeypatch.setattr(sys, "argv", ["headreuse", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    told = capsys.readouterr()
    return caught.value.code, told.out, told.err


@pytest.mark.parametrize("command", ["run", "train", "correlate", "export"])
def test_a_place_for_results_that_cannot_be_written_to_is_told_in_one_line(
    command, study_file, undisturbed, tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    source = study_file if command in ("run", "train") else undisturbed
    for place, reason in (
        (tmp_path / "file", f"{tmp_path / 'file'} is a file; give another path"),
        (tmp_path / "file" / "below", f"{tmp_path / 'file'} is a file; give another path"),
        (tmp_path / "dangling", f"{tmp_path / 'dangling'} is a link to nothing; give another path"),
        (tmp_path / (300 * "x"), "the path, or a name in it, is too long; give a shorter one"),
        ("/proc/headreuse", "no such file or folder; give a path that is there and is not deleted meanwhile"),
    ):
        status, out, err = ended(monkeypatch, capsys, command, source, "--out", place)
        assert (status, out) == (2, "")
        assert re.fullmatch(rf"headreuse: {place}.*: could not be (used|written): {re.escape(reason)}\n", err), err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "file"]


def test_a_part_without_work_of_its_own_ends_well_and_says_so(study_file, tmp_path, monkeypatch, capsys):
    empty = [
        f"{index}/9" for index in range(1, 10) if not any(Shard(index, 9).holds(f"training {name}") for name in RUNS)
    ]
    for command in ("run", "train"):
        folder = tmp_path / command
        status, out, err = ended(monkeypatch, capsys, command, study_file, "--out", folder, "--shard", empty[0])
        assert (status, out) == (0, f"{folder}\n")
        assert f"part {empty[0]}: all that is missing is in the other parts" in err


def test_a_run_folder_that_is_deleted_before_its_report_is_written_is_told_in_one_line(
    undisturbed, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "tiny"
    shutil.copytree(undisturbed, folder)
    monkeypatch.setattr("headreuse.cli.analyse", lambda _folder: shutil.rmtree(folder))
    status, out, err = ended(monkeypatch, capsys, "report", folder)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert not folder.exists()


def run_here(study: str, folder: Path) -> None:
    file = folder.with_suffix(".toml")
    file.write_text(study)
    status, out, err = headreuse("run", file, "--out", folder, "--workers", 0)
    assert status == 0, err
    assert out.strip().endswith("report.html")


def test_a_study_of_tasks_trained_alone_is_reported_too(tmp_path):
    alone = '[[groups]]\nname = "alone"\nmain = { task = "copy", max_length = 2 }\ntransfer_to = 4\n'
    run_here(STUDY[: STUDY.index("[[groups]]")] + alone, tmp_path / "alone")
    for name, columns in TABLES.items():
        assert set(columns.split()) <= set(pd.read_csv(tmp_path / "alone" / "tables" / f"{name}.csv").columns)
    assert len(pd.read_csv(tmp_path / "alone" / "tables" / "overlap.csv")) == 0


@pytest.mark.slow
def test_a_group_trained_alone_beside_others_leaves_the_columns_their_types(tmp_path):
    study = STUDY[: STUDY.rindex("[[groups]]")].replace("seeds = [0, 1]", "seeds = [0]")
    run_here(study + 'arms = ["alone", "joint"]\n', tmp_path / "mixed")
    tables = compute_tables(Results(RunFolder.open(tmp_path / "mixed")))
    for name in ("overlap", "functional_overlap"):
        types = tables[name].dtypes
        assert (types["value"], types["usable"]) == (float, bool)


def test_processes_of_torchrun_only_train(study_file, tmp_path, monkeypatch):
    folder = tmp_path / "tiny"
    monkeypatch.setenv("WORLD_SIZE", "2")
    status, _, err = headreuse("run", study_file, "--out", folder)
    assert status == 2
    assert err.strip().endswith("use `train`, then `run` without torchrun")
    assert not (folder / "checkpoints").exists()


def fingerprint_at_step_16(folder: Path, seed: int) -> str:
    """The name of the folder in which this checkpoint's measurements lie."""
    checkpoint = noted_checkpoint(folder / "checkpoints" / "related" / f"seed-{seed}" / "checkpoint-16")
    return checkpoint.fingerprint[:16]


@pytest.mark.slow
def test_a_full_disk_costs_only_what_could_not_be_written(study_file, undisturbed, tmp_path, monkeypatch):
    """Some results of the checkpoint at step 16 cannot be written; the rest goes on, and the next run mends it."""
    folder = tmp_path / "tiny"
    shutil.copytree(undisturbed, folder)
    shutil.rmtree(folder / "tables")
    first, second = (fingerprint_at_step_16(folder, seed) for seed in (0, 1))
    for of_model in (first, second):
        shutil.rmtree(folder / "measurements" / of_model)
    rename = os.replace

    def full_for_patterns(source: Path, target: Path) -> None:
        if target.name.startswith("pattern-") and target.parent.name == second:
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full_for_patterns)
        status, _, err = headreuse("score", folder, "--workers", 0)
    assert status == 1
    failed = failures(err)
    assert len(failed) == 2  # one for each task
    assert all("the disk is full; free some space and run again" in line for line in failed)
    assert len(list(folder.glob(f"measurements/{first}/*.parquet"))) == 6
    assert len(list(folder.glob(f"measurements/{second}/*.parquet"))) == 4
    assert {path.name for path in folder.glob("measurements/**/.*")} == {".lock"}
    for command in (["score", folder, "--workers", 0], ["export", folder, "--out", tmp_path / "exported"]):
        status, _, err = headreuse(*command)
        assert status == 0, err
    assert tables(folder) == tables(undisturbed)
