"""A JSON schema of study files, for editors: what a key means, and which values it can have.

It says less than reading a study does: whether lengths, heads and names fit together is checked there alone.
"""

from collections.abc import Mapping
from typing import Any

from headreuse.registry import registered
from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.masking import OVERLAPS, WORDS
from headreuse.study.measure_spec import SCORE_NAMES
from headreuse.study.model_spec import POSITIONS
from headreuse.study.source_specs import SOURCE_SPECS
from headreuse.study.task_range import TaskRange
from headreuse.study.unfolding import ARMS
from headreuse.tasks import TASKS

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
PATH = {"type": "string"}


def schema() -> Schema:
    """The schema of study files, with the tasks, scores, metrics, positions and sources that are installed."""
    found = Study.model_json_schema()
    parts = found["$defs"]
    for part in (found, *parts.values()):
        part["additionalProperties"] = False
    of_group = parts[Group.__name__]
    of_group["properties"] |= {**_several(parts), **_sources(parts)}
    of_group["required"] = ["name", "main"]
    del of_group["properties"]["source"]
    # It follows from the group's lengths.
    del of_group["properties"]["transfer_to"]["default"]
    _open_to_files(parts[TaskRange.__name__])
    found["properties"] |= {
        "tasks": {"type": "array", "items": PATH, "description": "Files of your own tasks: paths from the study file."},
        "transfer": PATH | {"description": "A CSV file of transfer that was measured elsewhere."},
    }
    del found["properties"]["prompts"]
    _name_choices(parts)
    return {"$schema": DIALECT, **_without_titles(found), "title": "headreuse study", "$defs": _used(found, parts)}


def _several(parts: Mapping[str, Any]) -> Schema:
    """Keys of a group that ask for several groups at once."""
    length = {"type": "integer", "minimum": 1}
    lengths = {"type": "array", "items": length, "minItems": 1}
    pairs = {"type": "array", "items": lengths | {"minItems": 2, "maxItems": 2}, "minItems": 1}
    sides = {"type": "object", "properties": {"main": lengths, "auxiliary": lengths}, "additionalProperties": False}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    heads = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
    words = ", ".join(f"{overlap:g} is `{word}`" for word, overlap in OVERLAPS.items())
    return {
        "lengths": {"anyOf": [pairs, sides], "description": "Longest training lengths, a group for each pair."},
        "positions": _list_of(POSITIONS) | {"description": "Position schemes, a group for each; all are twins."},
        "arms": _list_of(ARMS)
        | {"description": "With all auxiliaries, with one at a time, with none, or as pretrained: a group each."},
        "heads": {
            "anyOf": [{"enum": list(WORDS)}, _list_of(WORDS), {"type": "object", "additionalProperties": heads}],
            "description": f"Which heads each task may use: {', '.join(WORDS)}, several of these, or a table by task.",
        },
        "overlap": {
            "anyOf": [share, {"type": "array", "items": share, "minItems": 1}],
            "description": f"The share of main's heads that its auxiliaries use too; {words}.",
        },
    }


def _sources(parts: Schema) -> Schema:
    """Keys under which a group says where its checkpoints come from; a text stands for a folder or a repository."""
    one_or_several = {"anyOf": [PATH, {"type": "array", "items": PATH, "minItems": 1}]}
    found = {}
    for key, spec in SOURCE_SPECS.items():
        own = spec.model_json_schema(ref_template=f"#/$defs/{spec.__name__}.{{model}}")
        parts |= {f"{spec.__name__}.{name}": part for name, part in own.pop("$defs", {}).items()}
        for place in {"folder", "hub"} & own["properties"].keys():
            told = {name: own["properties"][place][name] for name in ("default", "description", "maxItems")}
            own["properties"][place] = told | one_or_several
        found[key] = {"anyOf": [own, *one_or_several["anyOf"]], "description": own.get("description", "")}
    return found


def _open_to_files(of_task: Schema) -> None:
    """A task may be a file of prompts, and its length may follow from the group's `lengths`."""
    of_task["properties"]["prompts"] = PATH | {"description": "A file of prompts (JSONL or CSV), instead of a task."}
    of_task["properties"]["task"] |= {"examples": list(TASKS)}
    of_task.pop("required", None)


def _name_choices(parts: Schema) -> None:
    metrics = list(registered("headreuse.overlap", "OVERLAP_METRICS"))
    parts["ModelSpec"]["properties"]["position"]["enum"] = list(POSITIONS)
    parts["MeasureSpec"]["properties"]["methods"]["items"] = {"enum": list(SCORE_NAMES)}
    parts["MeasureSpec"]["properties"]["overlap_metrics"]["items"] = {"enum": metrics}


def _list_of(names: tuple[str, ...]) -> Schema:
    return {"type": "array", "items": {"enum": list(names)}, "minItems": 1, "uniqueItems": True}


def _without_titles(part: Any) -> Any:
    """Without the titles that repeat the keys; a key may be called `title`, and then stands under `properties`."""
    if isinstance(part, list):
        return [_without_titles(entry) for entry in part]
    if not isinstance(part, dict):
        return part
    return {
        name: {key: _without_titles(value) for key, value in inside.items()}
        if name == "properties"
        else _without_titles(inside)
        for name, inside in part.items()
        if name not in ("title", "$defs")
    }


def _used(found: Schema, parts: Schema) -> Schema:
    """The parts that something points at."""
    waiting, used = [found["properties"]], dict[str, Any]()
    while waiting:
        for name in _pointed_at(waiting.pop()) - used.keys():
            used[name] = _without_titles(parts[name])
            waiting.append(parts[name])
    return dict(sorted(used.items()))


def _pointed_at(part: Any) -> set[str]:
    if isinstance(part, list):
        return set().union(*map(_pointed_at, part))
    if not isinstance(part, dict):
        return set()
    own = {str(part["$ref"]).removeprefix("#/$defs/")} if "$ref" in part else set()
    return own.union(*map(_pointed_at, part.values()))
