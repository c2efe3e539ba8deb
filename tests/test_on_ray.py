"""Work on Ray gives the tables of local work, also where workers are killed every few seconds. Run by `make test-ray`.

Covers `work/on_ray.py`.
"""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import headreuse
from test_end_to_end import STUDY, started, tables
from test_engines import run_all
from test_kills import drafts, lives, of_process

from headreuse.work.on_ray import run_on_ray

pytestmark = [
    pytest.mark.ray,
    # Ray leaves sockets and files of its own to the end of the process.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]


def on_two_cores(jobs, listener):
    run_on_ray(jobs, listener, n_workers=2, n_threads=1)


def processes_of_ray() -> dict[int, str]:
    """Every process of Ray by its number, and how it calls itself."""
    everyone = [int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()]
    named = {
        process: of_process(process, "cmdline").replace(b"\0", b" ").decode(errors="replace") for process in everyone
    }
    return {process: name for process, name in named.items() if name.startswith("ray::") or "/ray/" in name}


def test_jobs_fail_and_die_on_ray_as_they_do_in_processes(tmp_path, monkeypatch):
    # Its workers find the jobs of `test_engines.py` there.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    names = ["busy", "first", "mistake", "crash", "partly", "last", "killed-1", "killed-3"]
    finished, said = run_all(on_two_cores, tmp_path, names)
    done = {"seen", "busy", "first", "after-first", "partly", "last", "killed-1", "killed-3"}
    assert {path.name for path in tmp_path.iterdir()} == done
    assert {name: event.problems for name, event in finished.items() if event.problems} == {
        "mistake": ("mistake: the disk is full",),
        "crash": ("crash: ZeroDivisionError: division by zero",),
        "partly": ("one part failed",),
        "killed-3": ("killed-3, at its part: its process died 3 times, perhaps because memory ran out",),
    }
    assert len(said) == 4


def test_with_a_worker_killed_every_few_seconds_the_tables_are_those_of_a_local_run(tmp_path):
    study, local, killed = tmp_path / "tiny.toml", tmp_path / "local", tmp_path / "killed"
    study.write_text(STUDY)
    began = time.monotonic()
    status, _, err = headreuse("run", study, "--out", local, "--workers", "2")
    assert status == 0, err
    # A worker needs a part of that time to load its libraries: seconds, and more where the machine is busy.
    pause = (time.monotonic() - began) / 5
    draw, n_kills = random.Random(0), 0
    for _ in range(8):
        command = started("run", study, "--out", killed, "--engine", "ray", "--workers", "2")
        n_kills += kill_workers_while_it_runs(command, pause, draw)
        _, err = command.communicate()
        assert "Traceback" not in err, err
        if command.returncode == 0:
            break
    assert command.returncode == 0, err
    assert n_kills >= 3
    assert tables(killed) == tables(local)
    assert drafts(killed) == []
    assert list(killed.glob("errors/*.json")) == []
    wait_for_the_end_of_ray()


def kill_workers_while_it_runs(command: subprocess.Popen, pause: float, draw: random.Random) -> int:
    """Kill a busy worker every so many seconds; how many were killed."""
    n_kills, last = 0, time.monotonic()
    while command.poll() is None:
        time.sleep(0.1)
        if time.monotonic() - last < pause:
            continue
        busy = [number for number, name in processes_of_ray().items() if name.startswith("ray::_attempt")]
        if busy:
            os.kill(draw.choice(busy), signal.SIGKILL)
            n_kills, last = n_kills + 1, time.monotonic()
    return n_kills


def test_a_command_that_is_killed_leaves_no_process_of_ray(tmp_path):
    (tmp_path / "tiny.toml").write_text(STUDY)
    command = started("run", tmp_path / "tiny.toml", "--out", tmp_path / "out", "--engine", "ray")
    while not any(name.startswith("ray::_attempt") for name in processes_of_ray().values()):
        assert command.poll() is None
        time.sleep(0.1)
    command.kill()
    command.communicate()
    wait_for_the_end_of_ray()


def wait_for_the_end_of_ray() -> None:
    # Two of its agents look for the server that is gone for a minute, then end.
    deadline = time.monotonic() + 180
    while left := {number: name.strip() for number, name in processes_of_ray().items() if lives(number)}:
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.1)
