"""A named choice of things (tasks, scores, overlap metrics): one decorator puts a thing in, its name takes it out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, TypeVar

from headreuse.errors import UnknownNameError, nearest

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

    @contextmanager
    def apart(self) -> Iterator[dict[str, T]]:
        """Within the block, names are still refused that are taken; after it, what was added is in the dict alone."""
        before, added = dict(self._items), dict[str, T]()
        try:
            yield added
        finally:
            added |= {name: item for name, item in self._items.items() if name not in before}
            self._items = before

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
