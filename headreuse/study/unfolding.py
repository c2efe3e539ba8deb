"""A study file's groups unfolded: the arms, lengths and positions that one entry asks for, each a group of its own.

    [[groups]]
    name = "reverse_add"
    main = { task = "reverse_add" }
    auxiliary = [{ task = "no_carry" }, { task = "carry_only" }]
    lengths = { main = [4, 8], auxiliary = [8, 16] }    # every pair; or [[8, 16], [4, 16]] for these alone
    positions = ["rope", "nope"]                        # twins from the same initial weights, on the same batches
    arms = ["joint", "each", "alone"]                   # all auxiliaries, one at a time, none

gives `reverse_add-4-8-rope`, `reverse_add-4-8-rope-no_carry`, `reverse_add-4-8-rope-alone` and so on. What is not
asked for leaves no part in the name, and `joint` never does. All of them are twins: they start alike at each seed.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, get_args

from headreuse.study.specs import Position

ARMS = ("joint", "each", "alone")
POSITIONS: tuple[str, ...] = get_args(Position)
Raw = dict[str, Any]


def unfolded(raw: Raw) -> tuple[Raw, list[str]]:
    """A raw study with its groups unfolded, and what is wrong with how it asks for that."""
    groups = raw.get("groups")
    if not isinstance(groups, list):
        return raw, []
    found, problems = [], []
    for index, group in enumerate(groups):
        try:
            found += list(_arms_of(group)) if isinstance(group, dict) else [group]
        except ValueError as error:
            problems.append(f"groups[{index}].{error}")
            found.append({key: value for key, value in group.items() if key not in ("arms", "lengths", "positions")})
    return raw | {"groups": found}, problems


def _arms_of(group: Raw) -> Iterator[Raw]:
    group = dict(group)
    steps: list[Callable[[Raw], Iterator[Raw]]] = []
    if (lengths := group.pop("lengths", None)) is not None:
        pairs = _pairs(lengths)
        steps.append(lambda one: (_with_lengths(one, *pair) for pair in pairs))
    if (positions := group.pop("positions", None)) is not None:
        _check_chosen("positions", positions, POSITIONS)
        steps.append(lambda one: (_with_position(one, position) for position in positions))
    if (arms := group.pop("arms", None)) is not None:
        _check_chosen("arms", arms, ARMS)
        steps.append(lambda one: (arm for name in ARMS if name in arms for arm in _ARM[name](one)))
    if steps and "name" in group:
        group.setdefault("twins", group["name"])
    several = [group]
    for step in steps:
        several = [result for one in several for result in step(one)]
    yield from several


def _check_chosen(key: str, value: Any, choices: tuple[str, ...]) -> None:
    if not isinstance(value, list) or not value or set(map(str, value)) - set(choices):
        raise ValueError(f"{key}: {value!r} is not a list of {', '.join(choices)}")


def _pairs(lengths: Any) -> list[tuple[int, int]]:
    sides: list[Any] = [lengths.get(side) for side in ("main", "auxiliary")] if isinstance(lengths, dict) else []
    if sides and len(lengths) == len(sides) and all(isinstance(side, list) for side in sides):
        lengths = [list(pair) for pair in product(*sides)]
    ints = isinstance(lengths, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair) for pair in lengths
    )
    if not ints or not lengths:
        raise ValueError(
            "lengths: give pairs such as [[8, 16], [16, 32]], or lists such as { main = [4, 8], auxiliary = [8, 16] }"
        )
    return [(main, auxiliary) for main, auxiliary in lengths]


def _with_lengths(group: Raw, main: int, auxiliary: int) -> Raw:
    return group | {
        "name": f"{group.get('name')}-{main}-{auxiliary}",
        "main": _of_length(group.get("main"), main),
        "auxiliary": [_of_length(entry, auxiliary) for entry in _auxiliaries(group)],
    }


def _of_length(entry: Any, max_length: int) -> Any:
    return entry | {"max_length": max_length} if isinstance(entry, dict) else entry


def _with_position(group: Raw, position: str) -> Raw:
    model = group.get("model", {})
    changed = model | {"position": position} if isinstance(model, dict) else model
    return group | {"name": f"{group.get('name')}-{position}", "model": changed}


def _one_at_a_time(group: Raw) -> Iterator[Raw]:
    for entry in _auxiliaries(group):
        task = entry.get("task") if isinstance(entry, dict) else entry
        yield group | {"name": f"{group.get('name')}-{task}", "auxiliary": [entry]} | _same_range(group)


def _alone(group: Raw) -> Iterator[Raw]:
    without = {key: value for key, value in group.items() if key not in ("auxiliary", "kind")}
    yield without | {"name": f"{group.get('name')}-alone"} | _same_range(group)


_ARM: dict[str, Callable[[Raw], Iterator[Raw]]] = {
    "joint": lambda group: iter([group]),
    "each": _one_at_a_time,
    "alone": _alone,
}


def _auxiliaries(group: Raw) -> list[Any]:
    auxiliary = group.get("auxiliary", [])
    return auxiliary if isinstance(auxiliary, list) else []


def _same_range(group: Raw) -> Raw:
    """The transfer range of all of a group's tasks together, so that its arms are compared over the same lengths."""
    return {} if group.get("transfer_to") is not None else {"transfer_to": longest_training(group)}


def longest_training(group: Raw) -> int | None:
    """The longest `max_length` of a group's tasks, given as tables or as records; None where none can be read."""
    auxiliary = group.get("auxiliary")
    entries = [group.get("main"), *(auxiliary if isinstance(auxiliary, (list, tuple)) else [])]
    lengths = [
        entry.get("max_length") if isinstance(entry, dict) else getattr(entry, "max_length", None) for entry in entries
    ]
    return max((length for length in lengths if type(length) is int), default=None)
