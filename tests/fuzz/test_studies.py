"""The check of studies against files that no one would write: it ends at once, with a study or with its mistakes."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from studies import study_file

from headreuse.prompts import Vocabulary
from headreuse.study import Study, StudyError, parse_study, read_study
from headreuse.study.explaining import N_TOLD
from headreuse.tasks import evaluation_examples, training_examples

SECONDS = 5.0
"""Of work; a machine with other things to do may take longer by the clock."""
LONGEST_LINE = 800


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Within the block, more work than this is ended by a `TimeoutError`, and so is idling ten times as long."""

    def end(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    timers = {signal.SIGPROF: (signal.ITIMER_PROF, seconds), signal.SIGALRM: (signal.ITIMER_REAL, 10 * seconds)}
    before = {number: signal.signal(number, end) for number in timers}
    try:
        for timer, limit in timers.values():
            signal.setitimer(timer, limit)
        yield
    finally:
        for number, (timer, _) in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


def check(seed: int, folder: Path) -> str:
    """What became of the file of a seed; raises where the check breaks its promise."""
    path = folder / f"{seed}.toml"
    path.write_bytes(study_file(seed))
    try:
        with at_most(SECONDS):
            study = read_study(path)
    except StudyError as error:
        lines = str(error).split("\n")
        assert 2 <= len(lines) <= N_TOLD + 2
        assert all(line.isprintable() and len(line) < LONGEST_LINE for line in lines), lines
        return "refused"
    finally:
        path.unlink()
    assert parse_study(json.loads(study.model_dump_json()), "its run folder") == study
    for group in study.groups:
        assert len(group.training.checkpoints.steps(group.training.steps)) <= 10_001
    if is_tiny(study):
        check_runnable(study)
        return "runnable"
    return "accepted"


def is_tiny(study: Study) -> bool:
    return len(study.groups) <= 8 and all(study.evaluated_to(group) <= 24 for group in study.groups)


def check_runnable(study: Study) -> None:
    """The prompts that each group is trained on, scored with and evaluated on can be made."""
    for group in study.groups:
        encoder = Vocabulary.of([study.task(name) for name in group.task_names])
        for entry in group.tasks:
            task = study.task(entry.task)
            lengths = np.array([*study.eval_lengths(group, entry.task), study.score_length(group)])
            examples = evaluation_examples(task, lengths, np.random.default_rng(0))
            assert encoder.encode(task, examples, lengths).tokens.shape[0] == len(lengths)
            assert len(training_examples(task, 2, entry.max_length, np.random.default_rng(0)).prompt) == 2


def check_many(seeds: range, folder: Path) -> list[str]:
    """What became of each; a failure names the seed, whose file `python tests/fuzz/studies.py SEED` prints."""
    found = []
    for seed in seeds:
        try:
            found.append(check(seed, folder))
        except Exception as error:
            raise AssertionError(f"the study file of seed {seed}: {type(error).__name__}: {error}") from error
    return found


def test_the_check_ends_with_a_study_or_its_mistakes(tmp_path):
    # Of sound files that change as studies are added; of 80 files one to five are runnable.
    found = check_many(range(240), tmp_path)
    assert found.count("refused") >= 120
    assert found.count("runnable") >= 6


@pytest.mark.slow
def test_the_check_ends_with_a_study_or_its_mistakes_for_2000_files(tmp_path):
    found = check_many(range(1000, 3000), tmp_path)
    assert found.count("refused") >= 1000
    assert found.count("runnable") >= 100


def spin() -> None:
    while True:
        pass


def test_what_takes_too_long_would_be_seen():
    with pytest.raises(TimeoutError), at_most(0.02):
        time.sleep(1)
    with pytest.raises(TimeoutError), at_most(0.02):
        spin()
