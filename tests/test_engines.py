"""Jobs in several processes: all are done, followers too, and one that fails or is killed harms no other.

Covers `work/engines.py`.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from headreuse.errors import HeadreuseError
from headreuse.work import engines
from headreuse.work.engines import Event, n_side_by_side, run_here, run_in_processes, usable_gpus


@dataclass(frozen=True)
class Touch:
    """Leaves a file behind, or fails as its name says."""

    folder: Path
    name: str
    cost: float = 1.0

    def run(self, tell: Callable[[float, str], None]) -> list[str]:
        tell(0.5, "half way")
        if self.name == "mistake":
            raise HeadreuseError("the disk is full")
        if self.name == "crash":
            raise ZeroDivisionError("division by zero")
        if self.name == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        (self.folder / self.name).touch()
        return ["one part failed"] if self.name == "partly" else []

    def __str__(self) -> str:
        return self.name


def in_two_processes(jobs, listener, followers):
    run_in_processes(jobs, listener, followers, n_workers=2, n_threads=1)


def run_all(engine, folder: Path, names: list[str]) -> dict[str, Event]:
    finished: dict[str, Event] = {}

    def listen(event: Event) -> None:
        if event.finished:
            finished[str(event.job)] = event

    def followers(job: Touch) -> list[Touch]:
        return [Touch(folder, f"after-{job.name}")] if job.name == "first" else []

    engine([Touch(folder, name) for name in names], listen, followers)
    return finished


@pytest.mark.parametrize("engine", [run_here, in_two_processes])
def test_each_failure_is_one_line_and_all_other_jobs_are_done(engine, tmp_path):
    finished = run_all(engine, tmp_path, ["first", "mistake", "crash", "partly", "last"])
    assert {path.name for path in tmp_path.iterdir()} == {"first", "after-first", "partly", "last"}
    assert {name: event.problems for name, event in finished.items() if event.problems} == {
        "mistake": ("mistake: the disk is full",),
        "crash": ("crash: ZeroDivisionError: division by zero",),
        "partly": ("one part failed",),
    }


def test_a_worker_that_is_killed_fails_its_own_job_alone(tmp_path):
    finished = run_all(in_two_processes, tmp_path, ["killed", "a", "b", "c"])
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "c"}
    assert "its process was killed" in finished["killed"].problems[0]


@pytest.mark.parametrize(
    ("n_runs", "n_cores", "n_gpus", "expected"),
    [(6, 2, 0, 2), (1, 8, 0, 1), (20, 16, 0, 16), (20, 16, 1, 4), (20, 16, 2, 8), (3, 16, 2, 3), (20, 2, 4, 2)],
)
def test_there_are_no_more_workers_than_runs_cores_and_what_gpus_can_share(n_runs, n_cores, n_gpus, expected):
    assert n_side_by_side(n_runs, n_cores=n_cores, n_gpus=n_gpus) == expected


class Driver:
    """Stands in for the library of the GPU driver."""

    def __init__(self, n_gpus: int, *, status: int = 0) -> None:
        self.n_gpus, self.status = n_gpus, status

    def cuInit(self, _flags: int) -> int:
        return self.status

    def cuDeviceGetCount(self, count: object) -> int:
        count._obj.value = self.n_gpus
        return 0


@pytest.mark.parametrize(
    ("version", "driver", "visible", "expected"),
    [
        ("2.13.0+cpu", Driver(2), None, ()),
        ("2.13.0", OSError("no libcuda.so.1"), None, ()),
        ("2.13.0", Driver(2, status=100), None, ()),
        ("2.13.0", Driver(2), None, ("0", "1")),
        ("2.13.0", Driver(2), "3,5", ("3", "5")),
        ("2.13.0", Driver(1), "GPU-1a2b", ("GPU-1a2b",)),
    ],
)
def test_gpus_are_those_that_torch_and_the_driver_can_use(version, driver, visible, expected, monkeypatch):
    def load(_name: str) -> Driver:
        if isinstance(driver, OSError):
            raise driver
        return driver

    monkeypatch.setattr(engines, "version", lambda _package: version)
    monkeypatch.setattr(engines.ctypes, "CDLL", load)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert usable_gpus() == expected


def test_workers_take_the_gpus_in_turn(tmp_path):
    names = [f"job-{index}" for index in range(4)]
    run_in_processes(
        [Noting(tmp_path, name) for name in names],
        lambda _event: None,
        lambda _job: [],
        n_workers=2,
        n_threads=3,
        gpus=["5", "7"],
    )
    noted = {(tmp_path / name).read_text() for name in names}
    assert noted == {"GPU 5, 3 threads", "GPU 7, 3 threads"}


@dataclass(frozen=True)
class Noting(Touch):
    """Notes which GPU and how many threads it was given."""

    def run(self, tell: Callable[[float, str], None]) -> list[str]:
        given = os.environ["CUDA_VISIBLE_DEVICES"], os.environ["OMP_NUM_THREADS"]
        (self.folder / self.name).write_text("GPU {}, {} threads".format(*given))
        return []
