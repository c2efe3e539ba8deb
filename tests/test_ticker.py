"""The estimate of the time left, and the lines that show it. Covers `work/ticker.py`."""

from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from headreuse.cli import app
from headreuse.work import ticker as ticker_module
from headreuse.work.events import Ended, Event
from headreuse.work.ticker import Ticker, duration


@dataclass(frozen=True)
class Work:
    name: str
    cost: float

    def __str__(self) -> str:
        return self.name


def test_the_estimate_follows_from_cost_and_the_pace_since_anything_was_done(capsys, monkeypatch):
    big, small, now = Work("big", 30.0), Work("small", 10.0), [1000.0]
    monkeypatch.setattr(ticker_module.time, "monotonic", lambda: now[0])
    with Ticker(40.0) as ticker:
        assert ticker.seconds_left is None
        ticker(Event(big, 0.0, "starting"))
        now[0] += 500  # starting is not of the pace
        ticker(Event(big, 0.5, "taken up"))
        assert ticker.fraction == pytest.approx(15 / 40)
        assert ticker.seconds_left is None
        now[0] += 10
        ticker(Event(small, 1.0, "", Ended.DONE))
        assert ticker.fraction == pytest.approx(25 / 40)
        assert ticker.seconds_left == pytest.approx(15.0)
        ticker(Event(big, 1.0, "", Ended.DONE))
        assert ticker.seconds_left == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "about 15 s left" in printed.err
    assert "big 50% taken up" in printed.err


def test_a_failure_is_printed_once_and_kept_and_its_job_is_not_called_done(capsys):
    with Ticker(1.0) as ticker:
        ticker(Event(Work("w", 1.0), 1.0, "", Ended.DONE, problems=("w: the disk is full",)))
    assert ticker.problems == ["w: the disk is full"]
    assert capsys.readouterr().err.splitlines() == ["failed: w: the disk is full", "[100%] finished · w failed"]


@pytest.mark.parametrize("quiet", [True, False])
def test_only_failures_are_shown_where_it_is_to_be_quiet(capsys, monkeypatch, quiet):
    # What the option sets is of the whole process, so it is set back afterwards.
    monkeypatch.setattr(Ticker, "is_quiet", not quiet)
    CliRunner().invoke(app, [*(["--quiet"] if quiet else []), "tasks", "copy"])
    with Ticker(2.0) as ticker:
        ticker(Event(Work("w", 1.0), 0.5, ""))
        ticker(Event(Work("w", 1.0), 1.0, "", Ended.DONE, problems=("w: the disk is full",)))
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1 if quiet else -2] == "failed: w: the disk is full"
    assert len(lines) == (1 if quiet else 3)


def test_lines_before_and_after_the_work_give_no_false_time(capsys):
    with Ticker(1.0) as ticker:
        ticker(Event(Work("w", 1.0), 0.0, "loading"))
        ticker(Event(Work("w", 1.0), 1.0, "", Ended.DONE))
    assert capsys.readouterr().err.splitlines() == [
        "[  0%] time left not known yet · w 0% loading",
        "[100%] finished · w done",
    ]


@pytest.mark.parametrize(("seconds", "said"), [(0.2, "1 s"), (80, "80 s"), (200, "3 min"), (7500, "2 h 05 min")])
def test_durations_are_said_as_people_say_them(seconds, said):
    assert duration(seconds) == said
