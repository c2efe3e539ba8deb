"""What the parts of a study file have in common: they are frozen, know their keys, and check names alike."""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, TypeGuard

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from headreuse.study import limits
from headreuse.study.showing import shown

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
Name = Annotated[str, Field(pattern=f"^{_NAME}$", max_length=64)]
"""A name that may become a folder."""
Length = Annotated[int, Field(ge=1, le=limits.LENGTH)]
"""Of examples of a task."""


class Frozen(BaseModel):
    """A part of a study file; a key that it does not know is refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @classmethod
    def known_keys(cls) -> list[str]:
        """The keys that a study file may have here."""
        return list(cls.model_fields)


def is_name(value: object) -> TypeGuard[str]:
    """Whether a value can be a name but for its length."""
    return isinstance(value, str) and re.fullmatch(_NAME, value) is not None


def check_known(kind: str, names: Sequence[str], choices: Collection[str]) -> None:
    """Raise for the first name that is none of the choices; what it may have meant is looked up where it is told."""
    for name in names:
        if name not in choices:
            context = {"kind": kind, "name": name, "choices": tuple(choices)}
            raise PydanticCustomError("unknown_name", "unknown {kind} {name}", context)


def check_unique(values: Iterable[int | str]) -> None:
    """Raise for the first value that is listed twice."""
    seen: set[int | str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{shown(value)} is listed twice; list it once")
        seen.add(value)
