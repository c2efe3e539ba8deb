"""The run folder: written whole or not at all, refused where it would mix studies.

Covers `store/folder.py`, `store/units.py`, `store/writing.py`, `store/notes.py` and `store/versions.py`.
"""

import errno
import json
import pickle

import numpy as np
import pandas as pd
import pytest

from headreuse.errors import HeadreuseError
from headreuse.records import Checkpoint
from headreuse.store.folder import RunFolder
from headreuse.store.sealing import DamagedError, write_sealed
from headreuse.store.units import Unit
from headreuse.store.versions import versions
from headreuse.store.writing import alone_in, written_whole
from headreuse.study import parse_study


def study(**changed):
    group = {"name": "g", "main": {"task": "copy", "max_length": 4}}
    return parse_study({"name": "s", "groups": [group]} | changed, "study.toml")


@pytest.fixture
def unit(tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint-5", 5, "f" * 64)
    return Unit("head_scores", "1", checkpoint, "copy", {"method": "mean_ablation", "length": 4, "n": 2})


def test_a_units_result_comes_back_as_it_went_in(tmp_path, unit):
    frame = pd.DataFrame({"layer": np.array([0, 1], np.int16), "log_prob": np.array([-0.5, np.nan], np.float32)})
    folder = RunFolder.create(tmp_path, study(), "run")
    folder.units.write(unit, frame)
    pd.testing.assert_frame_equal(folder.units.read(unit), frame)


def test_a_units_key_changes_with_all_that_its_result_depends_on(unit):
    keys = {
        unit.key,
        Unit("pattern", "1", unit.checkpoint, unit.task, unit.settings).key,
        Unit(unit.kind, "2", unit.checkpoint, unit.task, unit.settings).key,
        Unit(unit.kind, "1", Checkpoint(unit.checkpoint.path, 5, "e" * 64), unit.task, unit.settings).key,
        Unit(unit.kind, "1", unit.checkpoint, "reverse", unit.settings).key,
        Unit(unit.kind, "1", unit.checkpoint, unit.task, dict(unit.settings) | {"n": 3}).key,
    }
    assert len(keys) == 6


def test_a_score_is_named_by_its_method_and_what_builds_on_it_by_what_it_is(unit):
    assert str(unit) == "mean_ablation of copy"
    assert str(Unit("set_ablation", "1", unit.checkpoint, "copy", unit.settings)) == "set_ablation of copy"
    assert str(Unit("evaluation", "1", unit.checkpoint, "copy", {"n": 2})) == "evaluation of copy"


def fill_the_disk_halfway_through(path):
    with written_whole(path) as draft:
        draft.write_text("half a ta")
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_write_that_fails_leaves_the_earlier_file_and_says_which_disk_was_full(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("earlier")
    with pytest.raises(HeadreuseError, match=r"table\.csv: could not be written: the disk is full"):
        fill_the_disk_halfway_through(path)
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_result_is_told_with_its_file(tmp_path, unit):
    folder = RunFolder.create(tmp_path, study(), "run")
    folder.units.write(unit, pd.DataFrame({"layer": [0]}))
    folder.units.file(unit).write_bytes(b"PAR1 cut short")
    with pytest.raises(DamagedError, match=r"head_scores-copy-.*damaged \(its checksum is gone\); `headreuse run"):
        folder.units.read(unit)


def test_a_folder_takes_more_seeds_groups_and_measures_but_no_other_training(tmp_path):
    RunFolder.create(tmp_path, study(), "run")
    groups = [{"name": name, "main": {"task": "copy", "max_length": 4}} for name in ("g", "h")]
    wider = study(seeds=[0, 1], groups=groups, measures={"top_k": 2})
    assert RunFolder.create(tmp_path, wider, "run").study == wider
    with pytest.raises(HeadreuseError, match=r"g\.training\.steps: 3000 there, 10 now.*--out"):
        RunFolder.create(tmp_path, study(training={"steps": 10}), "run")
    with pytest.raises(HeadreuseError, match=r"alphabet_size: 26 there, 5 now"):
        RunFolder.create(tmp_path, study(alphabet_size=5), "run")
    with pytest.raises(HeadreuseError, match=r"g\.twins: g there, h now"):
        RunFolder.create(tmp_path, study(groups=[groups[0] | {"twins": "h"}]), "run")


def test_what_is_no_run_folder_is_told_with_what_would_be_right(tmp_path):
    with pytest.raises(HeadreuseError, match=r"no such folder.*headreuse run STUDY\.toml"):
        RunFolder.open(tmp_path / "none")
    RunFolder.create(tmp_path / "demo", study(), "run")
    with pytest.raises(HeadreuseError, match="it holds run folders: demo"):
        RunFolder.open(tmp_path)
    (tmp_path / "demo" / "study.json").write_text("{")
    with pytest.raises(HeadreuseError, match=r"study\.json: damaged \(.*\); restore it, or run the study file"):
        RunFolder.open(tmp_path / "demo").study  # noqa: B018


def test_a_folder_that_another_process_works_in_is_refused(tmp_path):
    with alone_in(tmp_path), pytest.raises(HeadreuseError, match="another process"), alone_in(tmp_path, patience=0.1):
        pass


@pytest.mark.parametrize(("found", "words"), [(None, "an earlier version"), (2, "an earlier"), (4, "another version")])
def test_a_folder_of_another_format_is_refused_in_one_line(tmp_path, found, words):
    file = RunFolder.create(tmp_path / "demo", study(), "run").study_file
    record = json.loads(file.read_text()) | {"format": found}
    del record["sha256"]
    if found is None:
        del record["format"]
    if found == 4:
        write_sealed(file, record)
    else:
        file.write_text(json.dumps(record))
    with pytest.raises(HeadreuseError) as caught:
        RunFolder.open(tmp_path / "demo").study  # noqa: B018
    message = str(caught.value)
    assert f"demo: made by {words}" in message
    assert "--out" in message
    assert "\n" not in message
    with pytest.raises(HeadreuseError, match=words):
        RunFolder.create(tmp_path / "demo", study(), "run")


def test_the_study_is_read_once_and_handed_on(tmp_path, monkeypatch):
    folder = RunFolder.open(RunFolder.create(tmp_path, study(), "run").root)
    assert folder.study is folder.study
    assert pickle.loads(pickle.dumps(folder)).study == folder.study
    folder.study_file.unlink()
    assert folder.study == study()
    assert versions() is versions()
