"""No two streams of random numbers are the same, and each is fixed by the study's data seed."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np

import headreuse
from headreuse.study.streams import Stream, weights_seed


def test_streams_differ_from_each_other_and_are_fixed_by_seed_and_further_numbers():
    drawn = {stream: stream.generator(0, 8).random(4) for stream in Stream}
    for one, other in combinations(drawn.values(), 2):
        assert not np.array_equal(one, other)
    assert np.array_equal(Stream.EVALUATION.generator(3, 8).random(4), np.random.default_rng([3, 1, 8]).random(4))
    assert not np.array_equal(Stream.POWER.generator(0).random(4), Stream.POWER.generator(1).random(4))
    names = [Stream.RANDOM_SETS.generator(0, name).random(4) for name in ("a", "b")]
    assert not np.array_equal(*names)


def test_the_data_seed_is_drawn_from_through_streams_alone():
    files = Path(headreuse.__file__).parent.rglob("*.py")
    direct = [file.name for file in files if re.search(r"default_rng\([^)]*data_seed", file.read_text())]
    assert direct == ["streams.py"]


def test_weights_differ_by_group_and_seed_and_are_alike_in_twins_and_in_studies_without_them():
    drawn = [weights_seed(twins, seed) for twins in ("a", "b", "a 1") for seed in range(30)]
    assert len(set(drawn)) == 90
    assert all(0 <= number < 2**32 for number in drawn)
    assert weights_seed("reverse_add", 0) == 4130242100, "studies trained with it are published"
    assert [weights_seed(None, seed) for seed in (0, 7)] == [0, 7]
