"""Kills at random moments: of all processes, of the command, of one worker, of shards. None may be noticed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_end_to_end import STUDY, headreuse, tables
from test_given import saved, study_of

from headreuse.store.writing import DRAFT

KILLS_AT_WORK, KILLS_AT_TABLES = 30, 20
"""While models are trained and measured, and while tables and report are written."""
KILLS_OF_SHARDS = 9


class Running:
    """A run with two workers, in a process group of its own."""

    def __init__(self, study: Path, folder: Path, *more: str) -> None:
        command = [sys.executable, "-m", "headreuse", "run", str(study), "--out", str(folder), "--workers", "2", *more]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, start_new_session=True
        )

    def end(self) -> None:
        """Nothing of it is left."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def goes_on_until(self, happened: Callable[[], bool]) -> bool:
        """Whether this happens before the run ends."""
        while self.process.poll() is None:
            if happened():
                return True
            time.sleep(0.001)
        _, err = self.process.communicate()
        assert self.process.returncode == 0, err.decode()
        return False

    def kill(self, whom: str, draw: random.Random) -> None:
        """Kill all, the command or a worker, and the rest a little later; then none of them is there any more."""
        children = self.children()
        workers = [child for child in children if b"spawn_main" in of_process(child, "cmdline")]
        if whom == "worker" and workers:
            os.kill(draw.choice(workers), signal.SIGKILL)
            time.sleep(draw.uniform(0, 2))
            children += self.children()
        (os.killpg if whom == "all" else os.kill)(self.process.pid, signal.SIGKILL)
        _, err = self.process.communicate()
        assert b"Traceback" not in err, err.decode()
        deadline = time.monotonic() + 30
        while left := [child for child in children if lives(child)]:
            assert time.monotonic() < deadline, f"left behind: {left}"
            time.sleep(0.01)

    def children(self) -> list[int]:
        everyone = [int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()]
        return [process for process in everyone if state(process)[1:2] == [str(self.process.pid)]]


def of_process(process: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{what}").read_bytes()
    except OSError:
        return b""


def state(process: int) -> list[str]:
    """Its state and its parent; nothing if there is none."""
    return of_process(process, "stat").rpartition(b")")[2].decode().split()


def lives(process: int) -> bool:
    return state(process)[:1] not in ([], ["Z"], ["X"])


def drafts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if DRAFT.fullmatch(path.name) or path.name == ".saving"]


@pytest.fixture
def started():
    """Starts runs; those of a test that fails are ended with it."""
    runs: list[Running] = []

    def start(study: Path, folder: Path, *more: str) -> Running:
        runs.append(Running(study, folder, *more))
        return runs[-1]

    yield start
    for run in runs:
        run.end()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_after_fifty_kills_the_tables_are_those_of_an_undisturbed_run(seed, tmp_path, started):
    study, folder, undisturbed = tmp_path / "tiny.toml", tmp_path / "killed", tmp_path / "undisturbed"
    study.write_text(STUDY)
    draw = random.Random(seed)
    began = time.monotonic()
    assert headreuse("run", study, "--out", undisturbed, "--workers", "2")[0] == 0
    whole_run = time.monotonic() - began
    n_kills = 0
    while n_kills < KILLS_AT_WORK:
        running, moment = started(study, folder), time.monotonic() + draw.uniform(0, 0.8 * whole_run)
        if running.goes_on_until(lambda moment=moment: time.monotonic() > moment):
            running.kill(draw.choice(("all", "command", "worker")), draw)
            n_kills += 1
        else:
            undo_some_work(folder, draw)
    assert headreuse("run", study, "--out", folder)[0] == 0
    while n_kills < KILLS_AT_WORK + KILLS_AT_TABLES:
        shutil.rmtree(folder / "tables", ignore_errors=True)
        (folder / "report.html").unlink(missing_ok=True)
        running, pattern = started(study, folder), draw.choice(("tables/.*", "tables/*", ".report*"))
        if running.goes_on_until(lambda pattern=pattern: any(folder.glob(pattern))):
            time.sleep(draw.uniform(0, 0.05))
            running.kill(draw.choice(("all", "command")), draw)
            n_kills += 1
    status, _, err = headreuse("run", study, "--out", folder)
    assert status == 0, err
    assert tables(folder) == tables(undisturbed)
    assert drafts(folder) == []
    assert (folder / "report.html").is_file()
    assert list(folder.glob("errors/*.json")) == []


def trained_study(folder: Path) -> Path:
    (folder / "tiny.toml").write_text(STUDY)
    return folder / "tiny.toml"


def given_study(folder: Path) -> Path:
    for step in range(10, 80, 10):
        saved(folder / "series" / f"checkpoint-{step}", "gpt2", step)
    study_of(folder, f'"{folder}/series"')
    return folder / "s.toml"


@pytest.mark.slow
@pytest.mark.parametrize("study_in", [trained_study, given_study])
def test_after_kills_of_three_shards_the_tables_are_those_of_an_undisturbed_run(study_in, tmp_path, started):
    study, folder, undisturbed = study_in(tmp_path), tmp_path / "killed", tmp_path / "undisturbed"
    draw = random.Random(0)
    began = time.monotonic()
    assert headreuse("run", study, "--out", undisturbed, "--workers", "2")[0] == 0
    whole_run = time.monotonic() - began
    shards = ["1/3", "2/3", "3/3"]
    running = {shard: started(study, folder, "--shard", shard) for shard in shards}
    for _ in range(KILLS_OF_SHARDS):
        time.sleep(draw.uniform(0, 0.4 * whole_run))
        shard = draw.choice(shards)
        if running[shard].goes_on_until(lambda: True):
            running[shard].kill(draw.choice(("all", "command", "worker")), draw)
        running[shard] = started(study, folder, "--shard", shard)
    for shard in shards:
        assert not running[shard].goes_on_until(lambda: False)
    status, _, err = headreuse("report", folder)
    assert (status, err) == (0, "")
    assert tables(folder) == tables(undisturbed)
    assert drafts(folder) == []
    assert list(folder.glob("errors/*.json")) == []


def undo_some_work(folder: Path, draw: random.Random) -> None:
    """A run that has ended before its kill has nothing left to be killed at."""
    shutil.rmtree(draw.choice(sorted((folder / "measurements").iterdir())))
    shutil.rmtree(draw.choice(sorted(folder.glob("checkpoints/*/*"))))
