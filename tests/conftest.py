"""Set up before any test is imported, and fixtures for all of them.

Imports little: the process that hands out tests to others reads this file too, and needs neither torch nor numpy.
"""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Tests run side by side: threads of their own would only fight over the cores. Read when torch is first imported.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from shapes import check_all

check_all("headreuse")

if TYPE_CHECKING:
    import numpy as np
    from hub_server import HubServer
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


@pytest.fixture
def hub_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[HubServer]":
    """A Hub on loopback, which `HF_ENDPOINT` names; the cache is empty and nobody is signed in."""
    from hub_server import serving

    for name in ("HF_TOKEN", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server
