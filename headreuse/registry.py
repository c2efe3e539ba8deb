"""A named choice of things (tasks, scores, metrics): one decorator puts a thing in, its name takes it out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from headreuse.errors import UnknownNameError, nearest

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Things of one kind by name, in the order of their registration.

    Args:
        kind: What one of them is called in messages.
        room: The package whose modules register them, all imported when the registry is first read; None where the
            package imports its modules by itself. Given by name, so that a room above it can check names too.
    """

    def __init__(self, kind: str, *, room: str | None = None) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        self._room = room

    def add(self, name: str, item: T) -> None:
        """Register `item`; a name that is taken is refused."""
        if name in self._items:
            raise ValueError(f"the {self.kind} name {name!r} is taken; choose another")
        self._items[name] = item

    @contextmanager
    def apart(self) -> Iterator[dict[str, T]]:
        """Within the block, names are still refused that are taken; after it, what was added is in the dict alone."""
        self._fill()
        before, added = dict(self._items), dict[str, T]()
        try:
            yield added
        finally:
            added |= {name: item for name, item in self._items.items() if name not in before}
            self._items = before

    def __getitem__(self, name: str) -> T:
        self._fill()
        if name not in self._items:
            known = list(self._items)
            hint = nearest(name, known)
            raise UnknownNameError(f"unknown {self.kind} {name!r}{hint}; choose from: {', '.join(known)}")
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        self._fill()
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        self._fill()
        return iter(self._items)

    def __len__(self) -> int:
        self._fill()
        return len(self._items)

    def _fill(self) -> None:
        # Taken off first: the modules of the room may read the registry while they are imported.
        room, self._room = self._room, None
        if room is not None:
            for module in iter_modules(import_module(room).__path__):
                import_module(f"{room}.{module.name}")


def registered(room: str, name: str) -> Registry[Any]:
    """The registry of that name in a room, for rooms above that one: only when it is asked for is the room imported."""
    found = getattr(import_module(room), name)
    assert isinstance(found, Registry), f"{room}.{name} is no registry"
    return found


def modules_of(*room: str) -> tuple[str, ...]:
    """What a room has, read off its folder, so that checking a name imports nothing of the room."""
    folder = Path(__file__).parent.joinpath(*room)
    return tuple(module.name for module in iter_modules([str(folder)]) if not module.name.startswith("_"))
