"""A worker that dies is blamed on the part that it was at; failures are tried three times, and the rest goes on.

Covers `work/jobs.py`, `work/retries.py` and `store/diary.py`.
"""

import multiprocessing
import os
import shutil
import signal
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from test_given import saved, study_of
from test_sources import STUDY as SMALL
from test_sources import TASKS

from headreuse.errors import HeadreuseError
from headreuse.measurements.base import MEASUREMENTS
from headreuse.sources import look_again
from headreuse.sources.given import Given
from headreuse.store.diary import Diary, Told
from headreuse.store.folder import RunFolder
from headreuse.store.writing import DRAFT, alone_in
from headreuse.study import parse_study
from headreuse.work import jobs
from headreuse.work.engines import run_here
from headreuse.work.events import Ended, Event, Job, Listener, attempt
from headreuse.work.jobs import while_there
from headreuse.work.progress import n_jobs, progress
from headreuse.work.schedule import Measurements, keep_note_of_failure, work
from headreuse.work.shards import Shard

# Newer versions of Python warn of what is meant here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


@pytest.fixture(scope="module")
def series(tmp_path_factory) -> Path:
    """Two checkpoints."""
    root = tmp_path_factory.mktemp("series")
    for step in (10, 20):
        saved(root / f"checkpoint-{step}", "gpt2", step)
    return root


@pytest.fixture
def folder(series, tmp_path) -> RunFolder:
    """Of a study of the series that has measured nothing yet."""
    study = study_of(tmp_path, f'"{series}"')
    study = study.model_copy(update={"measures": study.measures.model_copy(update={"functional_sets": 1})})
    made = RunFolder.create(tmp_path / "out", study, "run")
    look_again(made)
    return made


def in_forks(todo: list[Job], listener: Listener) -> None:
    """Run each job in a fork of this process, which may be killed and has all libraries loaded already."""
    queue = deque(todo)
    while queue:
        job = queue.popleft()
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=in_fork, args=(job, theirs))
        process.start()
        theirs.close()
        try:
            event = Event(job, 1.0, "", *ours.recv())
        except EOFError:
            event = Event(job, 1.0, "", Ended.DIED)
        process.join()
        queue.extend(listener(event))


def in_fork(job: Job, connection: Connection) -> None:
    connection.send(attempt(job, lambda _fraction, _note: None))


def measured(folder: RunFolder, engine=in_forks) -> list[str]:
    return work(folder, progress(folder), engine, shard=Shard(1, 1), train=False, measure=True)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def trouble(monkeypatch, tmp_path) -> Path:
    """Units of step 20 that kill, fail for good or fail for the user to mend; the model of step 10 cannot be loaded."""
    log = tmp_path / "tried"
    monkeypatch.setattr(jobs, "SECONDS_BETWEEN_TRIES", 0.0)

    def fail(kind: str, name: str, raised: Exception | None) -> None:
        cls = type(MEASUREMENTS[kind])
        measure = cls.measure

        def instead(self, loaded, unit):
            if str(unit) == name:
                with log.open("a") as file:
                    file.write(f"{name}\n")
                if raised is None:
                    die()
                raise raised
            return measure(self, loaded, unit)

        monkeypatch.setattr(cls, "measure", instead)

    fail("evaluation", "evaluation of differences", RuntimeError("the disk is slow"))
    fail("head_scores", "mean_ablation of differences", HeadreuseError("no partners"))
    fail("pattern", "pattern of sums", None)
    ready = Given.ready

    @contextmanager
    def loads(self, run, checkpoint, *others) -> Iterator[object]:
        if checkpoint.step == 10:
            with log.open("a") as file:
                file.write("loading\n")
            die()
        with ready(self, run, checkpoint, *others) as found:
            yield found

    monkeypatch.setattr(Given, "ready", loads)
    return log


def test_a_part_that_kills_or_fails_three_times_is_given_up_and_all_others_are_measured(
    folder, trouble, monkeypatch, capsys
):
    problems = measured(folder)
    tried = {
        "evaluation of differences": 3,
        "mean_ablation of differences": 1,
        "pattern of sums": 3,
        "loading": 3,
    }
    assert Counter(trouble.read_text().splitlines()) == tried
    at = f"{progress(folder)[0].run} step"
    needed = "mean_ablation of differences, which could not be measured"
    killed = "its process died 3 times, perhaps because memory ran out"
    assert sorted(problems) == sorted(
        [
            f"evaluation of differences at {at} 20: failed 3 times: RuntimeError: the disk is slow",
            f"mean_ablation of differences at {at} 20: no partners",
            f"measuring {at} 20, at pattern of sums: {killed}",
            f"measuring {at} 10: {killed}",
            *[f"set_ablation of {task} at {at} 20: it needs {needed}" for task in ("sums", "differences")],
        ]
    )
    (entry,) = progress(folder)
    needs = {f"set_ablation of {task}" for task in ("sums", "differences")}
    assert {str(unit) for unit in entry.checkpoints[1].missing} == (set(tried) | needs) - {"loading"}
    assert len(entry.checkpoints[1].done) > 0
    assert entry.checkpoints[0].done == ()
    assert len(folder.errors()) == 2
    assert [path for path in folder.root.rglob("*") if DRAFT.fullmatch(path.name)] == []
    assert "(2 of 3 times), perhaps because memory ran out; tried again alone" in capsys.readouterr().err
    monkeypatch.undo()
    assert measured(folder, run_here) == []
    assert (progress(folder)[0].missing, folder.errors()) == ((), [])


def test_where_every_worker_dies_before_it_has_read_its_job_the_work_comes_to_an_end(folder):
    ran: list[str] = []

    def engine(todo: list[Job], listener: Listener) -> None:
        queue = deque(todo)
        while queue:
            ran.append(str(queue[0]))
            queue.extend(listener(Event(queue.popleft(), 1.0, "", Ended.DIED)))

    problems = measured(folder, engine)
    run = progress(folder)[0].run
    names = [f"measuring {run} step {step}" for step in (10, 20)]
    assert ran == names * 3
    assert problems == [f"{name}: its process died 3 times, perhaps because memory ran out" for name in names]
    assert len(folder.errors()) == 2


def test_a_checkpoint_that_another_process_measures_comes_last_and_is_waited_for(folder, capsys):
    (entry,) = progress(folder)
    first = folder.units.folder_of(entry.checkpoints[0].checkpoint)
    done: list[str] = []
    other = ExitStack()
    other.enter_context(alone_in(first))

    def engine(todo: list[Job], listener: Listener) -> None:
        def listen(event: Event) -> list[Job]:
            if event.ended:
                done.append(f"{event.job} {event.ended.value}")
                other.close()
            return list(listener(event))

        run_here(todo, listen)

    assert measured(folder, engine) == []
    run = entry.run
    assert done == [f"measuring {run} step 10 busy", f"measuring {run} step 20 done", f"measuring {run} step 10 done"]
    assert f"measuring {run} step 10: another process is at it; looked at again later" in capsys.readouterr().err


def test_what_is_measured_already_when_a_job_has_its_turn_is_not_measured_again(folder, monkeypatch):
    (entry,) = progress(folder)
    at = entry.checkpoints[0]
    late = jobs.MeasureJob(folder, entry.run, at.checkpoint, at.missing)
    assert measured(folder, run_here) == []
    monkeypatch.setattr(Given, "ready", None)
    assert late.run(lambda _fraction, _note: None) == []


def test_runs_that_are_trained_and_checkpoints_that_are_given_are_done_side_by_side(folder, tmp_path):
    assert n_jobs(progress(folder)) == 2, "one run of two checkpoints"
    trained = parse_study(SMALL | {"seeds": [0, 1, 2], "groups": [{"name": "one"} | TASKS]}, "study.toml")
    assert n_jobs(progress(RunFolder.create(tmp_path / "trained", trained, "run"))) == 3


def test_a_diary_says_what_was_under_way_and_what_had_failed(tmp_path):
    diary = Diary(tmp_path / "new" / "diary")
    assert diary.read() == Told()
    diary.begin("a")
    diary.fail("a", "no é")
    diary.begin("b")
    assert diary.read() == Told("b", {"a": "no é"})
    with diary.file.open("a") as file:
        file.write('["c')
    assert diary.read() == Told("b", {"a": "no é"})
    diary.end()
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_that_is_deleted_while_it_is_worked_in_ends_the_work_and_does_not_come_back(folder):
    (entry,) = progress(folder)
    (job, *_) = Measurements(folder).jobs([entry])
    told = while_there(folder, lambda _fraction, _words: None)
    told(0.0, "")
    shutil.rmtree(folder.root)
    with pytest.raises(HeadreuseError, match="deleted while it was worked in; run the study file again"):
        told(0.5, "")
    keep_note_of_failure(folder, Event(job, 1.0, "", Ended.DONE, ("failed",)))
    assert not folder.root.exists()
