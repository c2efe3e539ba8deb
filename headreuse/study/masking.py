"""Head masks of a study file: which query heads each task of a group may use, trained and measured.

    heads = "disjoint"                              # or "all", "shared", "half"; a list of these gives a group for each
    overlap = 0.5                                   # the share of main's heads that the auxiliaries use too; or a list
    heads = { main = [0, 1], reverse = [1, 2, 3] }  # those of each task, the same in every layer

By a word or a share each task has half of a layer's heads, so that it has as much capacity in every arm: main the first
half, the auxiliaries another one, so far along that the two share as many as asked for. Shared is an overlap of 1,
disjoint one of 0. A task that is trained alone keeps the half that main has in the other arms.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from headreuse.study import limits
from headreuse.study.explaining import hint
from headreuse.study.model_spec import ModelSpec
from headreuse.study.one_group import Raw, Unfolded, auxiliaries
from headreuse.study.showing import key_shown, place_shown, shown
from headreuse.study.source_specs import SOURCE_SPECS

OVERLAPS = {"shared": 1.0, "half": 0.5, "disjoint": 0.0}
ALL = "all"
WORDS = (ALL, *OVERLAPS)
MAIN = "main"
"""Stands for the main task in a table of heads."""
TOLERANCE = 0.005
"""How far a share may be from one of whole heads: 0.33 stands for a third."""


def with_masks(raw: dict[str, Any], entries: Sequence[Unfolded]) -> tuple[dict[str, Any], list[str]]:
    """The raw study with the heads of each group as a table by task, or none; and what is wrong with them."""
    if not isinstance(raw.get("groups"), list):
        return raw, []
    groups, problems = [], []
    for entry, group in zip(entries, raw["groups"], strict=True):
        if not isinstance(group, dict) or group.keys().isdisjoint(("heads", "overlap")):
            groups.append(group)
            continue
        place = place_shown(entry.origin(()))
        table, wrong = _table(group, _n_heads(raw, group))
        problems += [f"{place}.{line}" for line in wrong]
        kept = {key: value for key, value in group.items() if key not in ("heads", "overlap")}
        groups.append(kept | ({} if wrong or table is None else {"heads": table}))
    return raw | {"groups": groups}, list(dict.fromkeys(problems))


def halves(n_heads: int, overlap: float) -> tuple[list[int], list[int]]:
    """The heads of main and of the auxiliaries: half of `n_heads` each, of which both have the part `overlap`."""
    if n_heads % 2:
        right = f"{n_heads - 1 or 2} or {n_heads + 1}" if n_heads > 1 else "2"
        raise ValueError(
            f"each task would have half of a layer's heads, of which there are {n_heads}; "
            f"make n_heads {right}, or give the heads of each task as a table"
        )
    n = n_heads // 2
    n_shared = round(overlap * n)
    if abs(n_shared / n - overlap) > TOLERANCE:
        raise ValueError(
            f"{overlap:g} of main's {n} head{'s' if n > 1 else ''} is no whole number of heads; "
            f"nearest: overlap = {n_shared / n:.2g}"
        )
    return list(range(n)), list(range(n - n_shared, 2 * n - n_shared))


def _table(group: Raw, n_heads: int | None) -> tuple[dict[str, Any] | None, list[str]]:
    """The heads of each task; None where all see all, and where they cannot be told; and what is wrong, by its key."""
    heads, overlap = group.get("heads"), group.get("overlap")
    key = "heads" if overlap is None else "overlap"
    if heads == ALL or (heads is None and overlap is None):
        return None, []
    if heads is not None and overlap is not None:
        return None, ["overlap: it says what heads says already; give one of the two"]
    if isinstance(source := _source(group), str):
        return None, [f"{key}: it is for models that are trained from scratch; leave it out where there is {source}"]
    if isinstance(heads, dict):
        return _by_name(heads, group), [f"heads.{line}" for line in _wrong_in_table(heads, group, n_heads)]
    if isinstance(heads, str) and heads in OVERLAPS:
        overlap = OVERLAPS[heads]
    elif heads is not None:
        right = f"give one of {', '.join(WORDS)}, a list of these, or a table by task: {{ {MAIN} = [0, 1], … }}"
        return None, [f"heads: {shown(heads)} says no heads{hint(heads, list(WORDS))}; {right}"]
    if isinstance(overlap, bool) or not isinstance(overlap, (int, float)) or not 0 <= overlap <= 1:
        return None, [f"overlap: {shown(overlap)} is no share; give a number from 0 to 1, or a list of these"]
    if n_heads is None:
        return None, []
    try:
        of_main, of_others = halves(n_heads, overlap)
    except ValueError as error:
        return None, [f"{key}: {error}"]
    main, *others = _tasks(group)
    return {main: of_main} | dict.fromkeys(others, of_others), []


def _wrong_in_table(table: dict[str, Any], group: Raw, n_heads: int | None) -> Iterator[str]:
    main, *others = _tasks(group)
    for name, heads in table.items():
        place = key_shown(name)
        if name not in (MAIN, main, *others):
            choices = [MAIN, *others]
            yield f"{place}: no task of this group{hint(name, choices)}; choose from: {', '.join(choices)}"
        elif not isinstance(heads, list) or not heads or not all(type(head) is int for head in heads):
            yield f"{place}: {shown(heads)} names no heads; give a list such as [0, 1]"
        elif n_heads is not None and (outside := [head for head in heads if not 0 <= head < n_heads]):
            yield f"{place}: there is no head {shown(outside[0])}; a layer has {n_heads}, from 0 to {n_heads - 1}"
        elif len(set(heads)) < len(heads):
            yield f"{place}: {shown(heads)} names a head twice; name it once"
    named = _by_name(table, group)
    if len(named) < len(table):
        yield f"{key_shown(main)}: it is main, whose heads are given already; give them once"
    for name in (main, *others):
        if name not in named:
            yield f"{MAIN if name == main else key_shown(name)}: missing; name the heads of every task of the group"


def _by_name(table: dict[str, Any], group: Raw) -> dict[str, Any]:
    main = _tasks(group)[0]
    return {main if name == MAIN else name: heads for name, heads in table.items()}


def _tasks(group: Raw) -> list[str]:
    """The names of main and the auxiliaries, as far as they are names."""
    entries = [group.get("main"), *auxiliaries(group)]
    names = [entry.get("task") if isinstance(entry, dict) else None for entry in entries]
    return [name if isinstance(name, str) else MAIN for name in names]


def _source(group: Raw) -> str | None:
    """The key under which a group says where its checkpoints come from."""
    source = group.get("source")
    keys = [*group, *(source if isinstance(source, dict) else [])]
    return next((key for key in keys if key in SOURCE_SPECS), None)


def _n_heads(raw: dict[str, Any], group: Raw) -> int | None:
    """Heads of each layer of a group's model; None where that is wrong, which is told elsewhere."""
    model = raw.get("model", {}) if group.get("model") is None else group["model"]
    n_heads = model.get("n_heads", ModelSpec().n_heads) if isinstance(model, dict) else None
    return n_heads if type(n_heads) is int and 1 <= n_heads <= limits.HEADS else None
