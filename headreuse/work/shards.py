"""The part of the work that one of several machines does."""

import hashlib
import re
from dataclasses import dataclass

from headreuse.errors import HeadreuseError


@dataclass(frozen=True)
class Shard:
    """One of `n` parts of the work."""

    index: int
    """From 1 to `n`."""
    n: int

    @classmethod
    def parse(cls, text: str | None) -> "Shard":
        """`2/4` is the second of four parts; None is all of it."""
        if text is None:
            return cls(1, 1)
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise HeadreuseError(f"--shard {text!r}: not a part such as 1/4, 2/4, 3/4 or 4/4")
        return cls(int(match[1]), int(match[2]))

    def holds(self, name: str) -> bool:
        """Whether the piece of work of that name is in this part; the same on every machine."""
        return int(hashlib.sha256(name.encode()).hexdigest(), 16) % self.n == self.index - 1
