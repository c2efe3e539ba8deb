"""What is wrong with a study file, one line for each mistake: where, what, and what would be right."""

import inspect
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from headreuse.errors import HeadreuseError, nearest
from headreuse.study.showing import Place, on_one_line, place_shown, shown

N_TOLD = 10
"""Mistakes that a message tells; of the others it gives the number."""
N_EXPLAINED = 100
"""Mistakes that lines are made for, since the nearest right value takes a moment to find."""


class StudyError(HeadreuseError):
    """Every problem of one study file.

    Args:
        n_more: How many problems there are beside those in `problems`.
    """

    def __init__(self, source: str, problems: Sequence[str], n_more: int = 0) -> None:
        self.problems = [on_one_line(problem) for problem in dict.fromkeys(problems)]
        n = len(self.problems) + n_more
        lines = [f"{on_one_line(source)}: {n:,} problem{'s' if n > 1 else ''}"]
        lines += [f"  {problem}" for problem in self.problems[:N_TOLD]]
        if n > N_TOLD:
            lines.append(f"  … and {n - N_TOLD:,} more")
        super().__init__("\n".join(lines))


def explain(
    error: ValidationError, model: type[BaseModel], origin: Callable[[Place], Place] = lambda place: place
) -> tuple[list[str], int]:
    """One line for each mistake that pydantic found: `place: what is wrong; what would be right`.

    Args:
        error: What pydantic found.
        model: What was to be made.
        origin: Where in the user's file a place of what pydantic was given comes from.

    Returns:
        The lines, and the number of mistakes that no line was made for.
    """
    entries = list(_once(error.errors(include_url=False), origin))
    lines = [f"{place_shown(place)}: {_what(entry, model)}" for place, entry in entries[:N_EXPLAINED]]
    return lines, max(0, len(entries) - N_EXPLAINED)


def _once(entries: Sequence[Any], origin: Callable[[Place], Place]) -> Iterator[tuple[Place, Any]]:
    """Each mistake of the user's with its place in the file, told once wherever it shows again."""
    shared = {(entry["loc"], entry["msg"]) for entry in entries if entry["loc"][:1] in (("model",), ("training",))}
    with_mistakes_inside = {entry["loc"][:n] for entry in entries for n in range(len(entry["loc"]))}
    told: dict[Place, Place] = {}
    for entry in entries:
        where = entry["loc"]
        # A mistake in `[model]` or `[training]` shows again in every group that it was laid under.
        if where[:1] == ("groups",) and (where[2:], entry["msg"]) in shared:
            continue
        # A list is also called too short where items of it are wrong.
        if entry["type"] == "too_short" and entry["input"] and where in with_mistakes_inside:
            continue
        # One mistake in a group that is unfolded shows in each group that it gives.
        place = origin(where)
        if told.setdefault(place, where) == where:
            yield place, entry


def _what(entry: dict[str, Any], model: type[BaseModel]) -> str:
    kind, given, context, where = entry["type"], entry["input"], entry.get("ctx", {}), entry["loc"]
    if kind == "extra_forbidden":
        known = _keys_at(model, where[:-1])
        return f"unknown key{hint(where[-1], known)}; known here: {', '.join(known)}"
    if kind == "missing":
        return "missing; it is required"
    if kind == "unknown_name":
        choices = list(context["choices"])
        unknown = context["name"]
        return f"unknown {context['kind']} {shown(unknown)}{hint(unknown, choices)}; choose from: {', '.join(choices)}"
    if kind == "literal_error":
        choices = [choice.strip("' ") for choice in context["expected"].replace(" or ", ", ").split(",")]
        return f"{shown(given)} is none of the choices{hint(given, choices)}; choose from: {', '.join(choices)}"
    if kind == "string_pattern_mismatch":
        right = "".join(c if (c.isascii() and c.isalnum()) or c in "_-" else "_" for c in str(given)[:64]).strip("_-")
        allowed = "may hold only letters, digits, _ and - and begin with a letter or digit"
        return f"{shown(given)} {allowed}; try {shown(right or 'name')}"
    if kind.endswith("_type"):
        return f"{shown(given)} should be {_wanted(entry)}{_converted(entry)}"
    return _bounds(kind, given, context, _default_at(model, where)) or str(entry["msg"]).removeprefix("Value error, ")


def _bounds(kind: str, given: Any, context: dict[str, Any], default: str) -> str | None:
    """What is wrong with the size of a value; None if its size is not what is wrong."""
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = context.get("ge", context.get("le"))
        side = "below the smallest" if "ge" in context else "above the largest"
        return f"{shown(given)} is {side} allowed; nearest: {shown(bound)}"
    if kind in ("greater_than", "less_than"):
        side = "greater than" if kind == "greater_than" else "less than"
        return f"{shown(given)} must be {side} {shown(context.get('gt', context.get('lt')))}{default}"
    if kind == "finite_number":
        return f"{shown(given)} is no finite number{default}"
    if kind == "string_too_long":
        return f"{shown(given)} is longer than {context['max_length']} characters; shorten it"
    if kind in ("too_short", "too_long"):
        side, bound = ("least", context.get("min_length")) if kind == "too_short" else ("most", context["max_length"])
        return f"{shown(given)} should have at {side} {bound} item{'s' if bound != 1 else ''}{default}"
    return None


def _wanted(entry: dict[str, Any]) -> str:
    wanted = {"tuple_type": "a list", "model_type": "a table", "dict_type": "a table"}
    return wanted.get(entry["type"]) or str(entry["msg"]).removeprefix("Input should be ")


def _converted(entry: dict[str, Any]) -> str:
    """The value that was probably meant, where a type is wrong: a number in quotes, a whole number with a point."""
    kind, given = entry["type"], entry["input"]
    if kind == "tuple_type" and entry["loc"] == ("groups",) and isinstance(given, dict):
        return "; write [[groups]], in two brackets"
    try:
        convert: dict[str, Callable[[], object]] = {
            "int_type": lambda: int(float(given)),
            "float_type": lambda: float(given),
            "tuple_type": lambda: [given],
        }
        meant = convert[kind]()
    except (KeyError, TypeError, ValueError, OverflowError):
        is_plain = isinstance(given, (int, float)) and kind == "string_type"
        meant = shown(given) if is_plain else None
    return "" if meant is None else f"; try {shown(meant)}"


def hint(given: object, choices: list[str]) -> str:
    """The choice that was probably meant; a very long text is compared with none, which would take its time."""
    return nearest(given, choices) if isinstance(given, str) and len(given) <= 100 else ""


def _keys_at(model: type[BaseModel], where: Place) -> list[str]:
    """The keys that a study file may have at a place inside `model`."""
    for part in where:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model.known_keys() if hasattr(model, "known_keys") else list(model.model_fields)


def _default_at(model: type[BaseModel], where: Place) -> str:
    """`; the default is 0.001`, where there is one."""
    for part in where[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    field = model.model_fields.get(str(where[-1])) if where else None
    plain = field is not None and isinstance(field.default, (int, float, str, tuple)) and field.default != ()
    return f"; the default is {shown(field.default)}" if field is not None and plain else ""


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model inside `X`, `X | None`, `tuple[X, ...]` or `Annotated[X, …]`."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(inner) for inner in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)
