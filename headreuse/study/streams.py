"""The random streams that share a study's data seed: one member each, so that no two draw the same numbers.

Initial weights have a seed of their own, which no data seed changes.
"""

import hashlib
from enum import IntEnum, unique

import numpy as np

WEIGHTS_BITS = 32
"""torch's generator on a CPU takes no more of a seed."""


@unique
class Stream(IntEnum):
    """What random numbers are drawn for. A number is never given to another stream: it fixes published results."""

    TRAINING = 0
    EVALUATION = 1
    OVERLAP = 2
    """Resampled prompts and permuted heads of the overlap table."""
    RANDOM_SETS = 3
    """Head sets that functional overlap is compared with."""
    WATCHING = 4
    """The prompts of the training log."""
    FUNCTIONAL_OVERLAP = 5
    """Resampled prompts of the functional overlap table."""
    POWER = 6
    """Simulated studies of the correlation report."""

    def generator(self, data_seed: int, *further: int) -> np.random.Generator:
        """A generator that depends on the stream, the study's data seed and `further` (a step, a length) alone."""
        return np.random.default_rng([data_seed, self, *further])


def weights_seed(twins: str | None, seed: int) -> int:
    """The seed that initial weights are drawn with: another for each family of groups and seed of a study.

    So a lucky start at one seed is one group's luck, and seeds of different groups are separate observations.
    Without a family it is the seed itself: see `Group.twins`.
    """
    if twins is None:
        return seed
    digest = hashlib.sha256(f"{twins} {seed}".encode()).digest()
    return int.from_bytes(digest[: WEIGHTS_BITS // 8], "big")
