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
    def parse(cls, text: str) -> "Shard":
        """`2/4` is the second of four parts; `1/1` is all of it."""
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise HeadreuseError(f"{text!r} is no part such as 1/4, 2/4, 3/4 or 4/4")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.n}"

    def holds(self, name: str) -> bool:
        """Whether the piece of work of that name is in this part; the same on every machine."""
        return int(hashlib.sha256(name.encode()).hexdigest(), 16) % self.n == self.index - 1
