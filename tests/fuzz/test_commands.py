"""No command line, however wrong, ends in a traceback, hangs or writes outside its folder. `commands.py` draws them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import command_line, scratch

# What the commands load is loaded here, so that it counts in the time of none of them.
import headreuse.models.checkpoints
import headreuse.report.publishing  # noqa: F401
from headreuse.cli import main

LONGEST_SECONDS = 5.0
SEEDS = range(40)
MANY_SEEDS = range(1000, 1200)
IN_A_PROCESS = range(2000, 2020)


STUDY = """
name = "tiny"
alphabet_size = 3
model = { n_layers = 1, n_heads = 2, d_model = 16 }
training = { steps = 2, batch_size = 4, checkpoints = { every = 1 } }
measures = { n_examples = 4, n_score_examples = 4, beyond = 1, functional_sets = 2, overlap_metrics = ["spearman"] }
[[groups]]
name = "one"
main = { task = "copy", max_length = 2 }
auxiliary = [{ task = "reverse", max_length = 3 }]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder, laid out; nothing is written beside it."""
    return laid_out(tmp_path, monkeypatch, finished=None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run folder with everything in it."""
    study = tmp_path_factory.mktemp("study") / "tiny.toml"
    study.write_text(STUDY)
    command = [sys.executable, "-m", "headreuse", "run", study, "--out", study.parent / "run", "--workers", "0"]
    subprocess.run(command, check=True, capture_output=True)
    return study.parent / "run"


def laid_out(around: Path, monkeypatch, finished: Path | None) -> Path:
    (around / "beside").touch()
    inside = around / "inside"
    inside.mkdir()
    scratch(inside, finished)
    monkeypatch.chdir(inside)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("work.timing.TRAINING_SECONDS", "work.timing.MEASURING_SECONDS", "work.checking.models.SECONDS"):
        monkeypatch.setattr(f"headreuse.{name}", 0.1)
    for name in ("N_SIMULATIONS", "FEWEST_SIMULATIONS"):
        monkeypatch.setattr(f"headreuse.report.planning.{name}", 2)
    return inside


def check_here(line: list[str], folder: Path, monkeypatch, capsys) -> None:
    """The command line ends in this process as it should: anything but `SystemExit` would be raised."""
    monkeypatch.setattr(sys, "argv", ["headreuse", *line])
    began = time.process_time()
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    # A plan of a real run folder simulates many studies, which is its work.
    assert time.process_time() - began < (60 if line[0] == "plan" else LONGEST_SECONDS)
    assert ended.value.code in (0, 1, 2), told.err
    check_told(ended.value.code, told.out, told.err)
    assert [path.name for path in folder.parent.iterdir() if path.name != "inside"] == ["beside"]


def check_told(status: int, out: str, err: str) -> None:
    assert "Traceback" not in err
    assert err == "" or status in (0, 1) or err.startswith("headreuse: ")
    assert status == 0 or out or err
    assert all(char.isprintable() or char == "\n" for char in err)


@pytest.mark.parametrize("seed", SEEDS)
def test_nonsense_ends_in_lines(seed, folder, monkeypatch, capsys):
    check_here(command_line(seed), folder, monkeypatch, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY_SEEDS)
def test_much_nonsense_beside_a_real_run_folder_ends_in_lines(seed, finished, tmp_path, monkeypatch, capsys):
    check_here(command_line(seed), laid_out(tmp_path, monkeypatch, finished), monkeypatch, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("seed", IN_A_PROCESS)
def test_nonsense_in_a_process_of_its_own_ends_in_lines(seed, folder):
    line = command_line(seed)
    done = subprocess.run(
        [sys.executable, "-m", "headreuse", *line],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode in (0, 1, 2)
    check_told(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_the_lines_are_of_every_command_and_each_seed_gives_its_own():
    lines = [command_line(seed) for seed in SEEDS]
    assert lines == [command_line(seed) for seed in SEEDS]
    assert len({tuple(line) for line in lines}) > 35
    assert len({line[0] for line in lines}) > 9
