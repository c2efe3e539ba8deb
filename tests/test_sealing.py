"""Whatever changes in a sealed file is noticed, before anything in it is read.

Covers `store/sealing.py`, `store/remembered.py` and `store/table_files.py`.
"""

import os
import pickle
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from headreuse.records import Checkpoint
from headreuse.store.folder import RunFolder
from headreuse.store.remembered import SETTLED_NS, Remembered
from headreuse.store.sealing import DamagedError, read_sealed, write_sealed
from headreuse.store.training_log import Logbook, LogLine
from headreuse.store.units import Unit
from headreuse.study import parse_study


@dataclass(frozen=True)
class Note:
    name: str
    counts: dict[str, int]


NONSENSE = ["{", "", "[]", '"x"', "null", "NaN", "{}", '{"name": "a", "counts": {}}', "[" * 100_000, "9" * 5_000, "\0"]


@pytest.mark.parametrize("text", NONSENSE)
def test_a_note_of_any_other_content_gives_one_line_with_its_path_and_what_to_do(tmp_path, text):
    path = tmp_path / "note.json"
    path.write_text(text)
    with pytest.raises(DamagedError) as caught:
        read_sealed(path, Note, "restore it")
    assert str(caught.value).startswith(f"{path}: damaged (")
    assert str(caught.value).endswith("; restore it")
    assert "\n" not in str(caught.value)


def test_a_note_with_other_fields_than_were_meant_is_refused_though_its_seal_fits(tmp_path):
    path = tmp_path / "note.json"
    for content in ({}, {"name": "a", "counts": {"b": "many"}}, {"name": ["a"], "counts": {}}):
        write_sealed(path, content)
        with pytest.raises(DamagedError, match=r"damaged \((name|counts)"):
            read_sealed(path, Note, "restore it")


def test_a_folder_or_bytes_that_are_no_text_in_place_of_a_note_are_told(tmp_path):
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "bytes.json").write_bytes(b'{"sha256": "\xff')
    with pytest.raises(DamagedError, match="a folder is in its place"):
        read_sealed(tmp_path / "folder.json", Note, "restore it")
    with pytest.raises(DamagedError, match="its checksum is gone"):
        read_sealed(tmp_path / "bytes.json", Note, "restore it")
    with pytest.raises(FileNotFoundError):
        read_sealed(tmp_path / "none.json", Note, "restore it")


def test_no_flipped_bit_of_a_note_goes_unnoticed(tmp_path):
    path = tmp_path / "note.json"
    note = {"name": "a", "counts": {"b": 3}}
    write_sealed(path, note)
    assert read_sealed(path, Note, "") == Note("a", {"b": 3})
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(DamagedError):
            read_sealed(path, Note, "")


@pytest.fixture
def folder(tmp_path):
    group = {"name": "g", "main": {"task": "copy", "max_length": 4}}
    return RunFolder.create(tmp_path / "run", parse_study({"name": "s", "groups": [group]}, "s.toml"), "run")


def unit(task: str = "copy") -> Unit:
    return Unit("head_scores", "1", Checkpoint(Path("checkpoint-5"), 5, "f" * 64), task, {"length": 4, "n": 2})


FRAME = pd.DataFrame({"layer": np.array([0, 1], np.int16), "log_prob": np.array([-0.5, 2.0], np.float32)})


def test_a_result_is_an_ordinary_parquet_file_in_which_no_flipped_bit_goes_unnoticed(folder):
    folder.units.write(unit(), FRAME)
    file = folder.units.file(unit())
    pd.testing.assert_frame_equal(pq.read_table(file).to_pandas(), FRAME)
    content, generator = file.read_bytes(), random.Random(0)
    for place in generator.sample(range(len(content)), 200):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        for use in (folder.units.read, folder.units.seal):
            with pytest.raises(DamagedError, match="damaged"):
                use(unit())
    for size in (0, 1, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:size])
        with pytest.raises(DamagedError):
            folder.units.read(unit())


def test_the_whole_result_of_another_measurement_is_not_taken_for_this_ones(folder):
    for task in ("copy", "reverse"):
        folder.units.write(unit(task), FRAME)
    shutil.copy(folder.units.file(unit("reverse")), folder.units.file(unit("copy")))
    for use in (folder.units.read, folder.units.seal):
        with pytest.raises(DamagedError, match="it holds another measurement"):
            use(unit("copy"))


def test_a_result_that_is_gone_is_missing_and_a_folder_in_its_place_is_damage(folder):
    assert folder.units.seal(unit()) is None
    folder.units.file(unit()).mkdir(parents=True)
    with pytest.raises(DamagedError, match="a folder is in its place"):
        folder.units.seal(unit())
    folder.set_aside(folder.units.file(unit()))
    assert folder.units.seal(unit()) is None
    assert len(list((folder.root / "damaged").rglob("*.parquet"))) == 1


def test_what_is_set_aside_twice_is_kept_twice(folder):
    for text in ("one", "two"):
        (folder.root / "tables").mkdir(exist_ok=True)
        (folder.root / "tables" / "a.csv").write_text(text)
        folder.set_aside(folder.root / "tables" / "a.csv")
    assert sorted(path.read_text() for path in (folder.root / "damaged" / "tables").iterdir()) == ["one", "two"]


def test_a_file_is_read_again_only_after_it_has_changed(tmp_path, monkeypatch):
    file, memory = tmp_path / "file", tmp_path / "memory"
    file.write_text("one")
    read: list[str] = []

    def find(path: Path) -> str:
        read.append(path.read_text())
        return read[-1]

    def get() -> str:
        return pickle.loads(pickle.dumps(Remembered(memory, tmp_path))).get(file, find)

    assert (get(), get(), read) == ("one", "one", ["one", "one"]), "one that was written just now is not remembered"
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 2 * SETTLED_NS)
    assert (get(), get(), len(read)) == ("one", "one", 3)
    file.write_text("two")
    assert (get(), get(), len(read)) == ("two", "two", 4)
    memory.write_bytes(memory.read_bytes().replace(b"two", b"six") + b"00000000\n\xff")
    assert (get(), len(read)) == ("two", 5), "a damaged memory is not believed"
    memory.unlink()
    memory.mkdir()
    assert get() == "two"


def test_tables_are_believed_only_if_they_are_the_ones_that_were_made(folder):
    tables = {"a": pd.DataFrame({"x": [1, 2]}), "none": pd.DataFrame()}
    written = folder.tables.write(tables, "inputs")
    assert folder.tables.read(tables, "inputs")["a"].equals(written["a"])
    assert folder.tables.read(tables, "others") is None
    assert folder.tables.read(["a", "b"], "inputs") is None
    folder.tables.file("a").write_text("x\n1\n3\n")
    assert folder.tables.read(tables, "inputs") is None
    assert [error.path for error in folder.tables.damaged()] == [folder.tables.file("a")]
    folder.tables.note_file.unlink()
    assert (folder.tables.read(tables, "inputs"), folder.tables.damaged()) == (None, [])


def test_a_kill_while_tables_are_written_leaves_none_that_looks_damaged(folder, monkeypatch):
    tables = {name: pd.DataFrame({"x": [name]}) for name in "abc"}
    folder.tables.write(tables, "earlier")
    replace = os.replace
    for last in range(4):
        left = [last]

        def killed(source: Path, target: Path, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            replace(source, target)

        later = {name: frame.assign(x=last) for name, frame in tables.items()}
        monkeypatch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.tables.write(later, "later")
        monkeypatch.setattr(os, "replace", replace)
        assert folder.tables.damaged() == []
        assert folder.tables.read(tables, "later") is None
        assert folder.tables.read(tables, "earlier") is None


def test_every_changed_line_of_a_log_is_noticed_and_so_are_lost_ones(tmp_path):
    book = Logbook(tmp_path / "log.csv")
    for step in (1, 2, 3):
        book.add([LogLine(step, "copy", "main", 8, "in_distribution", 64, 0.5, 1.25)])
    checksum = book.checksum(2)
    book.check(2, checksum)
    content = book.path.read_text()
    for place in range(len(content) - 1):
        book.path.write_text(content[:place] + chr(ord(content[place]) ^ 1) + content[place + 1 :])
        with pytest.raises(DamagedError, match=r"log\.csv: damaged"):
            book.read()
    header, one, two, three = content.splitlines(keepends=True)
    for lines in ((header, one, three), (header, two), (header,), ()):
        book.path.write_text("".join(lines))
        with pytest.raises(DamagedError, match="lines up to step 2 are gone"):
            book.check(2, checksum)
    book.path.write_text(header + one + two)
    book.check(2, checksum)
