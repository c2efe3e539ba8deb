"""Files are written whole or not at all, and every error of the disk is one line. Covers `store/writing.py`."""

import subprocess
import sys
from pathlib import Path

import pytest

from headreuse.errors import HeadreuseError
from headreuse.store.writing import alone_in, append_text, drop_drafts, make_folder, write_text, written_whole


@pytest.fixture
def places(tmp_path) -> Path:
    """A folder with a file, a folder, a link to nothing and a link in a circle."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    return tmp_path


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file/below", "{}/file is a file; give another path"),
        ("file/below/deeper", "{}/file is a file; give another path"),
        ("dangling/below", "{}/dangling is a link to nothing; give another path"),
        ("circle/below", "{}/circle is a link to nothing; give another path"),
        ("folder", "it is a folder; give the path of a file"),
        (300 * "x" + "/below", "the path, or a name in it, is too long; give a shorter one"),
        (250 * "x", "the path, or a name in it, is too long; give a shorter one"),
        ("/proc/headreuse/file", "no such file or folder; give a path that is there"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_told_in_one_line(place, reason, places):
    path = places / place
    with pytest.raises(HeadreuseError) as caught:
        write_text(path, "text")
    assert str(caught.value).startswith(f"{path}: could not be written: {reason.format(places)}")


def test_a_file_that_cannot_be_added_to_and_a_folder_that_cannot_be_locked_are_told_in_one_line(places):
    with pytest.raises(HeadreuseError, match=r"file/log: could not be written: .*/file is a file"):
        append_text(places / "file" / "log", "line\n")
    with pytest.raises(HeadreuseError, match=r"dangling: could not be written: .*/dangling is a link to nothing"):
        make_folder(places / "dangling")
    make_folder(places / "new" / "folder")
    assert list((places / "new" / "folder").iterdir()) == []
    append_text(places / "log", "one\n")
    append_text(places / "log", "two\n")
    assert (places / "log").read_text() == "one\ntwo\n"
    with (
        pytest.raises(HeadreuseError, match=r"file: could not be written: .*/file is a file"),
        alone_in(places / "file"),
    ):
        pass


def test_a_path_that_is_no_valid_text_can_be_written_into_a_file(tmp_path):
    write_text(tmp_path / "study", "run caf\udce9.toml")
    assert (tmp_path / "study").read_text() == r"run caf\udce9.toml"


def test_drafts_of_killed_processes_are_deleted_and_no_others(tmp_path):
    (tmp_path / "tables").mkdir()
    killed = f"""
import os
from pathlib import Path
from headreuse.store.writing import written_whole
with written_whole(Path({str(tmp_path)!r}) / "tables" / "a.csv") as draft:
    draft.touch()
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", killed], check=True)
    (left,) = (tmp_path / "tables").iterdir()
    elsewhere = left.with_name(f".b.csv.00000000-{left.name.rpartition('-')[2]}")
    for other in (elsewhere, left.with_name(".gitignore"), left.with_name(".a.csv.inputs")):
        other.touch()
    with written_whole(tmp_path / "tables" / "c.csv") as mine:
        mine.touch()
        drop_drafts(tmp_path)
        assert sorted((tmp_path / "tables").iterdir()) == sorted(
            [mine, elsewhere, left.with_name(".gitignore"), left.with_name(".a.csv.inputs")]
        )
