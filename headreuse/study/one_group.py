"""One group of those that an entry of a study file gives, and what makes it another: lengths, position, arm, masks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headreuse.study import limits
from headreuse.study.frozen import is_name
from headreuse.study.showing import Place

Raw = dict[str, Any]


@dataclass(frozen=True)
class Unfolded:
    """One group of those that an entry gives."""

    raw: Any
    index: int
    """Of the entry in the user's file."""
    moved: Mapping[Place, Place] = field(default_factory=dict)
    """Places in `raw` that come from another place in the entry."""
    entry_name: str | None = None
    """The name of the entry, where it gives several groups."""
    beside: bool = False
    """Whether it is there to be compared with the others, so that the entry's name does not mean it in a question."""

    def origin(self, place: Place) -> Place:
        """Where in the user's file a place in this group comes from."""
        start = next((start for start in self.moved if place[: len(start)] == start), ())
        return ("groups", self.index, *self.moved.get(start, ()), *place[len(start) :])

    def with_(self, **changed: Any) -> "Unfolded":
        """This group with other entries."""
        return replace(self, raw=self.raw | changed)

    def named(self, ending: object) -> "Unfolded":
        """This group with an ending to its name; a name that is none stays as it is, to be told."""
        name = self.raw.get("name")
        return self.with_(name=f"{name}-{ending}") if is_name(name) else self


Step = Callable[[Unfolded], Iterator[Unfolded]]
"""Makes several groups of one."""


def with_lengths(one: Unfolded, main: int, auxiliary: int) -> Unfolded:
    """The group trained to these lengths."""
    return _of_lengths(one, main, auxiliary).named(f"{main}-{auxiliary}")


def _of_lengths(one: Unfolded, main: int, auxiliary: int) -> Unfolded:
    changed: Raw = {"main": _of_length(one.raw["main"], main)} if "main" in one.raw else {}
    if isinstance(one.raw.get("auxiliary"), list):
        changed["auxiliary"] = [_of_length(entry, auxiliary) for entry in one.raw["auxiliary"]]
    return one.with_(**changed)


def with_any_lengths(one: Unfolded) -> Iterator[Unfolded]:
    """The group with lengths that break no rule: those of the file are wrong, which is told once."""
    raw = {key: value for key, value in one.raw.items() if key not in ("transfer_to", "evaluate_to")}
    yield _of_lengths(replace(one, raw=raw), limits.LENGTH, limits.LENGTH)


def as_given(one: Unfolded) -> Iterator[Unfolded]:
    """The group itself."""
    yield one


def _of_length(entry: Any, max_length: int) -> Any:
    return entry | {"max_length": max_length} if isinstance(entry, dict) else entry


def with_position(one: Unfolded, position: str) -> Unfolded:
    """The group with models that know positions this way."""
    model = one.raw.get("model", {})
    changed = model | {"position": position} if isinstance(model, dict) else model
    return one.with_(model=changed).named(position)


def _one_at_a_time(one: Unfolded) -> Iterator[Unfolded]:
    for index, entry in enumerate(auxiliaries(one.raw)):
        task = entry.get("task") if isinstance(entry, dict) else None
        ending = task if is_name(task) else index
        moved = {**one.moved, ("auxiliary", 0): ("auxiliary", index)}
        kept = one.with_(auxiliary=[entry], **_same_range(one.raw), **_heads_kept(one.raw, [entry]))
        yield replace(kept.named(ending), moved=moved)


def _alone(one: Unfolded) -> Iterator[Unfolded]:
    without = {key: value for key, value in one.raw.items() if key not in ("auxiliary", "kind")}
    yield replace(one, raw=without | _same_range(one.raw) | _heads_kept(one.raw, [])).named("alone")


def _zero_shot(one: Unfolded) -> Iterator[Unfolded]:
    raw = {key: value for key, value in one.raw.items() if key != "start"} | {"series": one.raw["start"]}
    yield replace(one, raw=raw, moved={**one.moved, ("series",): ("start",)}, beside=True).named("zero_shot")


ARM: dict[str, Step] = {"joint": as_given, "each": _one_at_a_time, "alone": _alone, "zero_shot": _zero_shot}
"""All auxiliaries, one at a time, none; and all with the models that the group starts from, as they are."""


def auxiliaries(group: Raw) -> list[Any]:
    """The auxiliary tasks of a raw group; none where these are no list."""
    auxiliary = group.get("auxiliary", [])
    return auxiliary if isinstance(auxiliary, list) else []


def with_mask(one: Unfolded, key: str, chosen: Sequence[Any], ending: Callable[[Any], str]) -> Iterator[Unfolded]:
    """The group with each of these masks under `key`; one without auxiliaries once, since main has the same in all."""
    masked = [value for value in chosen if value != "all"]
    if len(masked) < len(chosen):
        yield one.with_(**{key: "all"})
    if auxiliaries(one.raw):
        yield from (one.with_(**{key: value}).named(ending(value)) for value in masked)
    elif masked:
        yield one.with_(**{key: masked[0]}).named("masked")


def _heads_kept(group: Raw, kept: list[Any]) -> Raw:
    """The group's table of heads, where it has one, without the auxiliaries that an arm leaves out."""
    heads = group.get("heads")
    if not isinstance(heads, dict):
        return {}
    left_out = [entry.get("task") for entry in auxiliaries(group) if isinstance(entry, dict) and entry not in kept]
    return {"heads": {task: of_task for task, of_task in heads.items() if task not in left_out}}


def _same_range(group: Raw) -> Raw:
    """The transfer range of all of a group's tasks together, so that its arms are compared over the same lengths."""
    return {} if group.get("transfer_to") is not None else {"transfer_to": longest_training(group)}


def longest_training(group: Raw) -> int | None:
    """The longest `max_length` of a group's tasks that can be one, from tables or records; None where none can."""
    auxiliary = group.get("auxiliary")
    entries = [group.get("main"), *(auxiliary if isinstance(auxiliary, (list, tuple)) else [])]
    lengths = [
        entry.get("max_length") if isinstance(entry, dict) else getattr(entry, "max_length", None) for entry in entries
    ]
    return max((length for length in lengths if type(length) is int and 0 < length <= limits.LENGTH), default=None)
