"""The checker behind the import hook of `conftest.py`: jaxtyping's shapes at every call, and no other annotation.

Other annotations are mypy's to check; some, as of pydantic's protocols, cannot be checked while running.
"""

from collections.abc import Callable
from typing import Any, get_args, get_origin

from beartype import beartype
from jaxtyping import AbstractArray


def check_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its arrays' shapes checked at each call; itself where it names none."""
    hints = function.__annotations__
    if not any(map(_names_a_shape, hints.values())):
        return function
    function.__annotations__ = {name: hint if _names_a_shape(hint) else Any for name, hint in hints.items()}
    return beartype(function)


def _names_a_shape(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    # What a callable takes and returns cannot be checked before it is called.
    return get_origin(hint) is not Callable and any(map(_names_a_shape, get_args(hint)))
