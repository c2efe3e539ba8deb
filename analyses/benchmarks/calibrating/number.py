"""One result of a simulation."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Number:
    """One result."""

    name: str
    value: float
    unit: str = "share"


Job = Callable[[np.random.Generator], Iterator[Number]]
"""One setting to simulate."""
