"""Prompts that a worker has drawn, kept for the next checkpoint, since drawing takes longer than answering them."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np

from headreuse.records import Prompts

MOST_BYTES = 256 * 2**20


class DrawnPrompts:
    """Prompts by what they depend on; those that were not asked for the longest go first when memory is full."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.n_bytes = 0
        self._kept: OrderedDict[Hashable, Prompts] = OrderedDict()

    def get(self, key: Hashable, draw: Callable[[], Prompts]) -> Prompts:
        """The prompts of this key, drawn where they are not kept."""
        if key not in self._kept:
            self._kept[key] = draw()
            self.n_bytes += _size(self._kept[key])
        self._kept.move_to_end(key)
        prompts = self._kept[key]
        while self.n_bytes > self.most_bytes and self._kept:
            _, oldest = self._kept.popitem(last=False)
            self.n_bytes -= _size(oldest)
        return prompts


DRAWN = DrawnPrompts(MOST_BYTES)
"""Of this process."""


def _size(prompts: Prompts) -> int:
    return sum(array.nbytes for array in vars(prompts).values() if isinstance(array, np.ndarray))
