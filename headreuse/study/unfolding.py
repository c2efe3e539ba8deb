"""A study file's groups unfolded: the arms, lengths, positions and masks that one entry asks for, each a group.

    [[groups]]
    name = "reverse_add"
    main = { task = "reverse_add" }
    auxiliary = [{ task = "no_carry" }, { task = "carry_only" }]
    lengths = { main = [4, 8], auxiliary = [8, 16] }    # every pair; or [[8, 16], [4, 16]] for these alone
    positions = ["rope", "nope", "coupled"]             # twins from the same initial weights, on the same batches
    arms = ["joint", "each", "alone"]                   # all auxiliaries, one at a time, none
    heads = ["all", "shared", "half", "disjoint"]       # or overlap = [0, 0.5, 1]: see `masking.py`

gives `reverse_add-4-8-rope`, `reverse_add-4-8-rope-no_carry-half`, `reverse_add-4-8-rope-alone-masked` and so on. What
is not asked for leaves no part in the name, and `joint` and `all` never do; `overlap = [0.5]` leaves `overlap50`. All
of them are twins: they start alike at each seed.
A group with `start` can have the arm `zero_shot`, too: the pretrained models themselves, on the same prompts.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from headreuse.study import limits
from headreuse.study.frozen import is_name
from headreuse.study.masking import WORDS
from headreuse.study.model_spec import POSITIONS
from headreuse.study.one_group import (
    ARM,
    Raw,
    Step,
    Unfolded,
    as_given,
    auxiliaries,
    with_any_lengths,
    with_lengths,
    with_mask,
    with_position,
)
from headreuse.study.showing import shown

ARMS = tuple(ARM)
PAIRS = "give pairs such as [[8, 16], [16, 32]], or lists such as { main = [4, 8], auxiliary = [8, 16] }"
UNFOLDING = ("lengths", "positions", "arms", "heads", "overlap")
"""Keys of a group that ask for several; `heads` and `overlap` where they are lists."""


class TooManyGroupsError(ValueError):
    """A study's groups, unfolded, are more than a study may have."""


def unfolded(groups: list[Any]) -> tuple[list[Unfolded], list[str]]:
    """The groups that raw entries give, and what is wrong with how they ask for them."""
    plans: list[tuple[int, list[Step]]] = []
    problems: list[str] = []
    n_groups = 0
    for index, group in enumerate(groups):
        steps, n = _steps(group, problems, f"groups[{index}]") if isinstance(group, dict) else ([], 1)
        plans.append((index, steps))
        n_groups += n
    # Nothing is unfolded before the number is known to be small.
    if n_groups > limits.GROUPS:
        raise TooManyGroupsError(
            f"groups: {n_groups:,} of them, unfolded; a study can have {limits.GROUPS:,}: "
            "shorten lengths, positions, arms or heads, or make several studies"
        )
    return [one for index, steps in plans for one in _all(groups[index], index, steps)], problems


def _all(group: Any, index: int, steps: list[Step]) -> list[Unfolded]:
    if not isinstance(group, dict):
        return [Unfolded(group, index)]
    name = group.get("name") if steps else None
    kept = {key: value for key, value in group.items() if not _asks_for_several(key, value)}
    first = Unfolded(kept, index, entry_name=name if is_name(name) else None)
    if steps and "name" in group and "twins" not in group:
        first = replace(first.with_(twins=group["name"]), moved={("twins",): ("name",)})
    several = [first]
    for step in steps:
        several = [result for one in several for result in step(one)]
    return several


def _steps(group: Raw, problems: list[str], place: str) -> tuple[list[Step], int]:
    """How a group is unfolded, and how many groups that gives; what it asks for wrongly is told and left out."""
    steps: list[Step] = []
    n_groups = 1
    for key, reader in _READERS.items():
        if group.get(key) is None or not _asks_for_several(key, group[key]):
            continue
        try:
            step, n = reader(group[key], group)
        except ValueError as error:
            problems.append(f"{place}.{key}: {error}")
            step, n = with_any_lengths if key == "lengths" else as_given, 1
        steps.append(step)
        n_groups *= n
    return steps, n_groups


def _read_lengths(lengths: Any, _group: Raw) -> tuple[Step, int]:
    sides: list[Any] = [lengths.get(side) for side in ("main", "auxiliary")] if isinstance(lengths, dict) else []
    if sides and len(lengths) == len(sides) and all(isinstance(side, list) and side for side in sides):
        n, values = len(sides[0]) * len(sides[1]), [*sides[0], *sides[1]]
        pairs: Iterator[Any] = product(*sides)
        _check_unique(sides[0])
        _check_unique(sides[1])
    elif isinstance(lengths, list) and lengths and all(isinstance(pair, list) and len(pair) == 2 for pair in lengths):
        n, values = len(lengths), [value for pair in lengths for value in pair]
        pairs = iter(lengths)
        _check_unique(lengths)
    else:
        raise ValueError(f"{PAIRS}, not {shown(lengths)}")
    if wrong := [value for value in values if type(value) is not int]:
        raise ValueError(f"{PAIRS}; {shown(wrong[0])} is no length")
    if wrong := [value for value in values if not 1 <= value <= limits.LENGTH]:
        raise ValueError(f"{shown(wrong[0])} is no length; lengths go from 1 to {limits.LENGTH}")
    kept = list(pairs) if n <= limits.GROUPS else []
    return (lambda one: (with_lengths(one, *pair) for pair in kept)), n


def _read_positions(positions: Any, _group: Raw) -> tuple[Step, int]:
    chosen = _chosen(positions, POSITIONS)
    return (lambda one: (with_position(one, position) for position in chosen)), len(chosen)


def _read_arms(arms: Any, group: Raw) -> tuple[Step, int]:
    chosen, n_auxiliaries = _chosen(arms, ARMS), len(auxiliaries(group))
    if not n_auxiliaries and not {"alone", "zero_shot"}.issuperset(chosen):
        raise ValueError("a group without auxiliary tasks has no arms; give it some, or leave arms out")
    if "zero_shot" in chosen and "start" not in group:
        raise ValueError("zero_shot is for groups that start from pretrained models; give it start, or leave it out")
    n_groups = sum(n_auxiliaries if name == "each" else 1 for name in chosen)
    return (lambda one: (arm for name in ARMS if name in chosen for arm in ARM[name](one))), n_groups


def _read_heads(heads: Any, _group: Raw) -> tuple[Step, int]:
    chosen = _chosen(heads, WORDS)
    return (lambda one: with_mask(one, "heads", chosen, str)), len(chosen)


def _read_overlap(shares: Any, _group: Raw) -> tuple[Step, int]:
    if not shares or not all(type(share) in (int, float) and 0 <= share <= 1 for share in shares):
        raise ValueError(f"{shown(shares)} is not a list of numbers from 0 to 1")
    _check_unique([_percent(share) for share in shares])
    return (lambda one: with_mask(one, "overlap", shares, _percent)), len(shares)


def _percent(share: float) -> str:
    """A share as it stands in a name, which has no point."""
    return f"overlap{round(100 * share)}"


_READERS = dict(zip(UNFOLDING, (_read_lengths, _read_positions, _read_arms, _read_heads, _read_overlap), strict=True))


def _asks_for_several(key: str, value: Any) -> bool:
    return key in UNFOLDING and (key not in ("heads", "overlap") or isinstance(value, list))


def _chosen(value: Any, choices: tuple[str, ...]) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one in choices for one in value):
        raise ValueError(f"{shown(value)} is not a list of {', '.join(choices)}")
    _check_unique(value)
    return value


def _check_unique(values: list[Any]) -> None:
    seen: set[str] = set()
    for text in map(shown, values):
        if text in seen:
            raise ValueError(f"{text} is listed twice; list it once")
        seen.add(text)
