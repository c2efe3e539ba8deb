"""A named choice of things (tasks, scores, overlap metrics): one decorator puts a thing in, its name takes it out."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Generic, TypeVar

T = TypeVar("T")


def nearest(name: str, choices: list[str]) -> str:
    """` (did you mean 'x'?)` for the choice most like `name`, or nothing where none is like it."""
    close = get_close_matches(name, choices, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


class Registry(Mapping[str, T], Generic[T]):
    """Things of one kind by name, in the order of their registration."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def add(self, name: str, item: T) -> None:
        """Register `item`; a name that is taken is refused."""
        if name in self._items:
            raise ValueError(f"the {self.kind} name {name!r} is taken; choose another")
        self._items[name] = item

    def __getitem__(self, name: str) -> T:
        if name not in self._items:
            known = list(self._items)
            raise LookupError(f"unknown {self.kind} {name!r}{nearest(name, known)}; choose from: {', '.join(known)}")
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
