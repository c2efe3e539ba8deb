"""The random streams that share a study's data seed: one member each, so that no two draw the same numbers."""

from enum import IntEnum, unique

import numpy as np


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
