"""Set up before any test is imported, and fixtures for all of them.

Imports little: the process that hands out tests to others reads this file too, and needs neither torch nor numpy.
"""

import gc
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

# Tests run side by side: threads of their own would only fight over the cores. Read when torch is first imported.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from shapes import check_all

check_all("headreuse")

if TYPE_CHECKING:
    import numpy as np
    from planting import Planted


def pytest_collection_finish() -> None:
    """What imports have left is never garbage: a collection, one after each training, passes over it from now on."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def generator() -> "np.random.Generator":
    import numpy as np

    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def planted_model() -> "Planted":
    """2 layers × 4 heads; head 0.1 does tasks A and B, head 1.2 does C, four symbols each."""
    from planting import plant

    from headreuse.records import Head

    return plant(
        {"A": (Head(0, 1),) * 4, "B": (Head(0, 1),) * 4, "C": (Head(1, 2),) * 4},
        n_layers=2,
        n_heads=4,
    )


@pytest.fixture(scope="session")
def planted() -> "Callable[[float], Planted]":
    """`planted(sharing)` is `plant_sharing`."""
    from planting import plant_sharing

    return plant_sharing
