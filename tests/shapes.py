"""jaxtyping's shapes checked at the calls of the package while tests run, and no other annotation.

Other annotations are mypy's to check; some, as of pydantic's protocols, cannot be checked while running. A check takes
as long as a small function does, so that of functions that are called very often only some calls are checked.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import count
from typing import Any, TypeVar, get_args, get_origin

import jaxtyping
from beartype import beartype

Checked = TypeVar("Checked", bound=Callable[..., Any])

EACH_OF_THE_FIRST = 50
EVERY = 50

_paused: list[bool] = []

scope = jaxtyping.jaxtyped(typechecker=None)
"""Decorator: within a call, each name of a dimension stands for one number."""


def check_all(package: str) -> None:
    """Check the shapes of every function and dataclass of a package that is imported from now on."""
    # The hook puts `jaxtyping.jaxtyped` above each of them. Its own way to check costs several times as much a call.
    jaxtyping.jaxtyped = lambda *, typechecker: checked
    jaxtyping.install_import_hook(package, None)


@contextmanager
def unchecked() -> Iterator[None]:
    """Within the block nothing is checked: for tests of what the package says of wrong shapes itself."""
    _paused.append(True)
    try:
        yield
    finally:
        _paused.pop()


def checked(thing: Checked) -> Checked:
    """A function, or a dataclass when it is made, with the shapes of its arrays checked; itself where it names none."""
    if not inspect.isclass(thing):
        return _checked_function(thing)
    if "__init__" in vars(thing) and "__dataclass_fields__" in vars(thing):
        thing.__init__ = _checked_function(vars(thing)["__init__"])
    return thing


def _checked_function(function: Any) -> Any:
    hints = getattr(function, "__annotations__", {})
    if not any(map(_names_a_shape, hints.values())):
        return function
    function.__annotations__ = {name: hint if _names_a_shape(hint) else Any for name, hint in hints.items()}
    check, calls = scope(beartype(function)), count()

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        n = next(calls)
        due = n < EACH_OF_THE_FIRST or n % EVERY == 0
        return (check if due and not _paused else function)(*args, **kwargs)

    return call


def _names_a_shape(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    # What a callable takes and returns cannot be checked before it is called.
    return get_origin(hint) is not Callable and any(map(_names_a_shape, get_args(hint)))
