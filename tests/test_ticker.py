"""The estimate of the time left, and the lines that tell it."""

import time
from dataclasses import dataclass

import pytest

from headreuse.work.engines import Event
from headreuse.work.ticker import Ticker, duration


@dataclass(frozen=True)
class Work:
    name: str
    cost: float

    def __str__(self) -> str:
        return self.name


def test_the_estimate_follows_from_cost_and_pace(capsys):
    big, small = Work("big", 30.0), Work("small", 10.0)
    with Ticker(40.0, began=time.monotonic() - 10) as ticker:
        assert ticker.seconds_left is None
        ticker(Event(big, 0.5, "half"))
        assert ticker.fraction == pytest.approx(15 / 40)
        ticker(Event(small, 1.0, "", finished=True))
        assert ticker.fraction == pytest.approx(25 / 40)
        assert ticker.seconds_left == pytest.approx(6.0, abs=0.5)
    told = capsys.readouterr()
    assert told.out == ""
    assert "about 6 s left" in told.err
    assert "big 50% half" in told.err


def test_a_failure_is_told_once_and_kept(capsys):
    with Ticker(1.0) as ticker:
        ticker(Event(Work("w", 1.0), 1.0, "", True, ("w: the disk is full",)))
    assert ticker.problems == ["w: the disk is full"]
    assert capsys.readouterr().err.count("failed: w: the disk is full") == 1


@pytest.mark.parametrize(("seconds", "said"), [(0.2, "1 s"), (80, "80 s"), (200, "3 min"), (7500, "2 h 05 min")])
def test_durations_are_said_as_people_say_them(seconds, said):
    assert duration(seconds) == said
