"""What is wrong with a study file, one line for each mistake: where, what, and what would be right."""

import inspect
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from headreuse.errors import HeadreuseError, nearest


class StudyError(HeadreuseError):
    """Every problem of one study file."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.problems = list(dict.fromkeys(problems))
        many = f"{len(self.problems)} problems" if len(self.problems) > 1 else "1 problem"
        super().__init__("\n".join([f"{source}: {many}", *(f"  {problem}" for problem in self.problems)]))


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line for each mistake that pydantic found: `place: what is wrong; what would be right`."""
    lines = []
    for entry in error.errors(include_url=False):
        if _repeats_the_study(entry, error) or _follows_from_another(entry, error):
            continue
        lines.append(f"{_place(entry['loc'])}: {_what(dict(entry), model)}")
    return lines


def _repeats_the_study(entry: Any, error: ValidationError) -> bool:
    """Whether a mistake in `[model]` or `[training]` shows again in a group that it was laid under."""
    where = entry["loc"]
    if len(where) < 3 or where[0] != "groups" or where[2] not in ("model", "training"):
        return False
    return any(other["loc"] == where[2:] and other["input"] == entry["input"] for other in error.errors())


def _follows_from_another(entry: Any, error: ValidationError) -> bool:
    """Whether a list is called too short only because of mistakes in its items."""
    where = entry["loc"]
    inside = (other["loc"] for other in error.errors() if len(other["loc"]) > len(where))
    return entry["type"] == "too_short" and bool(entry["input"]) and any(o[: len(where)] == where for o in inside)


def _place(where: tuple[int | str, ...]) -> str:
    place = ""
    for part in where:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else part
    return place or "study"


def _what(entry: dict[str, Any], model: type[BaseModel]) -> str:
    kind, given, context = entry["type"], entry["input"], entry.get("ctx", {})
    where = entry["loc"]
    if kind == "extra_forbidden":
        known = _fields_at(model, where[:-1])
        return f"unknown key{nearest(str(where[-1]), known)}; known here: {', '.join(known)}"
    if kind == "missing":
        return "missing; it is required"
    if kind == "literal_error":
        choices = [choice.strip("' ") for choice in context["expected"].replace(" or ", ", ").split(",")]
        return f"{given!r} is none of the choices{nearest(str(given), choices)}; choose from: {', '.join(choices)}"
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = context.get("ge", context.get("le"))
        side = "below the smallest" if "ge" in context else "above the largest"
        return f"{given!r} is {side} allowed; nearest: {bound}"
    if kind in ("greater_than", "less_than"):
        side = "greater than" if kind == "greater_than" else "less than"
        return f"{given!r} must be {side} {context.get('gt', context.get('lt'))}{_default_at(model, where)}"
    if kind == "string_pattern_mismatch":
        right = "".join(c if c.isalnum() or c in "_-" else "_" for c in str(given)).strip("_-") or "name"
        return f"{given!r} may hold only letters, digits, _ and - and begin with a letter or digit; try {right!r}"
    if kind.endswith("_type"):
        wanted = {"tuple_type": "a list", "model_type": "a table"}.get(
            kind, entry["msg"].removeprefix("Input should be ")
        )
        return f"{given!r} should be {wanted}{_converted(kind, given)}"
    return str(entry["msg"]).removeprefix("Value error, ")


def _converted(kind: str, given: Any) -> str:
    """The value that was probably meant, where a type is wrong: a number in quotes, a whole number with a point."""
    try:
        convert = {
            "int_type": lambda: int(float(given)),
            "float_type": lambda: float(given),
            "tuple_type": lambda: [given],
        }
        meant: object = convert[kind]()
    except (KeyError, TypeError, ValueError, OverflowError):
        meant = str(given) if kind == "string_type" and not isinstance(given, (list, dict)) else None
    return "" if meant is None else f"; try {meant!r}"


def _fields_at(model: type[BaseModel], where: tuple[int | str, ...]) -> list[str]:
    """The fields of the model that a place inside `model` holds."""
    for part in where:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _default_at(model: type[BaseModel], where: tuple[int | str, ...]) -> str:
    """`; the default is 0.001`, where there is one."""
    for part in where[:-1]:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation) or model
    field = model.model_fields.get(str(where[-1]))
    return f"; the default is {field.default!r}" if field is not None and not field.is_required() else ""


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model inside `X`, `X | None`, `tuple[X, ...]` or `Annotated[X, …]`."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(inner) for inner in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)
