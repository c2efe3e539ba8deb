"""A named choice of things (tasks, scores, overlap metrics): one decorator puts a thing in, its name takes it out."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from headreuse.problems import UnknownNameError, nearest

T = TypeVar("T")


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
            hint = nearest(name, known)
            raise UnknownNameError(f"unknown {self.kind} {name!r}{hint}; choose from: {', '.join(known)}")
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
