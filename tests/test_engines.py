"""Jobs side by side: all are done, followers too, and one that fails or dies harms no other."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from headreuse.engines import Event, run_here, run_in_processes
from headreuse.problems import HeadreuseError


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
def test_failures_are_told_in_one_line_and_all_other_jobs_are_done(engine, tmp_path):
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
