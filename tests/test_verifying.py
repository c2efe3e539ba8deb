"""What is wrong with a run folder is named, and what can be mended is set aside. Covers `work/mending.py`."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from headreuse.store.fingerprints import sha256_of
from headreuse.store.folder import RunFolder
from headreuse.store.notes import CheckpointNote, read_note, write_note
from headreuse.store.training_log import Logbook, LogLine
from headreuse.study import parse_study
from headreuse.tables.results import Results
from headreuse.tables.verifying import all_faults, as_json, faults
from headreuse.work.mending import damaged_checkpoints, set_aside_damaged
from headreuse.work.progress import progress

STUDY = {
    "name": "s",
    "training": {"steps": 2, "checkpoints": {"at": [1]}},
    "groups": [{"name": "g", "main": {"task": "copy", "max_length": 4}}],
}


def checkpoint(folder: RunFolder, step: int) -> Path:
    return folder.series_folder("g", 0) / f"checkpoint-{step}"


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    """Two checkpoints whose files mean nothing, all measurements of them, and a log."""
    folder = RunFolder.create(tmp_path / "run", parse_study(STUDY, "s.toml"), "run")
    for step in (1, 2):
        path = checkpoint(folder, step)
        path.mkdir(parents=True)
        (path / "weights").write_text(f"of {step}")
        book = Logbook(folder.training_log_file("g", 0))
        book.add([LogLine(step, "copy", "main", 4, "in_distribution", 64, 0.5, 1.0)])
        files = {"weights": sha256_of(path / "weights"), "optimizer.pt": "gone since"}
        write_note(path, CheckpointNote("g", 0, step, str(step) * 64, files, book.checksum(step)))
    for entry in progress(folder):
        for unit in entry.missing:
            folder.units.write(unit, pd.DataFrame({"x": [1.0]}))
    return folder


def results_of(folder: RunFolder) -> list[Path]:
    return sorted((folder.root / "measurements").rglob("*.parquet"))


def lines_of(folder: RunFolder) -> list[str]:
    return faults(Results(RunFolder.open(folder.root)))


def test_a_whole_folder_has_no_fault(folder):
    assert lines_of(folder) == []
    assert list(damaged_checkpoints(folder, progress(folder))) == []


def test_a_damaged_result_is_named_missing_and_set_aside(folder):
    first, *others = results_of(folder)
    first.write_bytes(first.read_bytes()[:-1])
    damaged, incomplete = lines_of(folder)
    assert damaged.startswith(f"{first}: damaged (it does not fit its checksum); `headreuse run {folder.root}`")
    assert "not complete (1 measurement to take at 1 checkpoint)" in incomplete
    (line,) = set_aside_damaged(folder, progress(folder))
    assert line.startswith(f"{first}: damaged")
    assert results_of(folder) == others
    assert (folder.root / "damaged" / first.relative_to(folder.root)).is_file()
    assert [entry.damaged for entry in progress(folder)] == [()]


def test_a_lost_result_or_checkpoint_is_told_though_it_may_never_have_been_there(folder):
    results_of(folder)[0].unlink()
    assert [line.split(": ")[1] for line in lines_of(folder)] == [
        f"not complete (1 measurement to take at 1 checkpoint); `headreuse run {folder.root}` goes on"
    ]
    (checkpoint(folder, 1) / "headreuse.json").unlink()
    assert "not complete (1 model to train" in lines_of(folder)[0]


@pytest.mark.parametrize("content", ["{", "", "[]", '"x"', "[" * 100_000, '{"step": 1}'])
def test_a_damaged_note_of_a_checkpoint_is_told_and_the_others_are_still_read(folder, content):
    (checkpoint(folder, 1) / "headreuse.json").write_text(content)
    told, incomplete = lines_of(folder)
    assert told.startswith(f"{checkpoint(folder, 1) / 'headreuse.json'}: damaged (")
    assert "delete" in told
    assert "1 model to train" in incomplete
    assert [at.checkpoint.step for entry in progress(folder) for at in entry.checkpoints] == [2]


def test_the_note_of_another_checkpoint_is_not_believed(folder):
    note = read_note(checkpoint(folder, 2))
    write_note(checkpoint(folder, 1), note)
    assert "it is the note of g 0 step 2" in lines_of(folder)[0]


def test_changed_weights_are_named_and_their_results_kept(folder):
    (checkpoint(folder, 2) / "weights").write_text("others")
    (line,) = damaged_checkpoints(folder, progress(folder))
    assert line.startswith(f"{checkpoint(folder, 2) / 'weights'}: damaged (it is not what training wrote)")
    assert line.endswith("its results are kept")
    (checkpoint(folder, 2) / "weights").unlink()
    assert "weights: damaged (it is gone)" in next(damaged_checkpoints(folder, progress(folder)))


def test_a_damaged_log_is_left_out_and_told(folder):
    file = folder.training_log_file("g", 0)
    assert len(Results(folder).training_log()) == 2
    file.write_text(file.read_text().replace("0.5", "0.6"))
    assert re.search(
        r"training_log\.csv: damaged \(line 2 does not fit.*tables are made without it", lines_of(folder)[0]
    )
    assert Results(folder).training_log().empty
    file.unlink()
    assert "lines up to step 2 are gone" in lines_of(folder)[0]


@pytest.mark.parametrize("content", ["{", "", "[]", '"x"', '{"what": 1}', "9" * 5_000])
def test_a_damaged_note_of_a_failure_stops_nothing(folder, content):
    folder.write_error("train-g", "training g", "too large")
    assert folder.errors() == ["training g: too large"]
    folder.error_file("train-g").write_text(content)
    (line,) = folder.errors()
    assert line.startswith(f"{folder.error_file('train-g')}: damaged (")
    assert line in all_faults(folder)
    folder.clear_error("train-g")
    folder.error_file("train-g").mkdir()
    assert "a folder is in its place" in folder.errors()[0]
    folder.clear_error("train-g")
    assert folder.errors() == []


def test_tables_of_other_results_are_out_of_date(folder):
    folder.tables.write({"accuracy": pd.DataFrame({"x": [1]})}, "others")
    assert f"{folder.root / 'tables'}: out of date" in all_faults(folder)[0]


def test_without_its_study_nothing_else_is_known(folder):
    folder.study_file.write_text("[]")
    (line,) = all_faults(RunFolder.open(folder.root))
    assert line.startswith(f"{folder.study_file}: damaged (")
    told = json.loads(as_json(folder.root, [line]))
    assert told == {"folder": str(folder.root), "whole": False, "faults": [line]}
