"""A study file (TOML) read and checked: all its mistakes are found at once, with their places and what is right."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from headreuse.study.config import Study
from headreuse.study.explaining import StudyError, explain
from headreuse.study.own_tasks import check_files, read_files
from headreuse.study.specs import ModelSpec, TrainingSpec
from headreuse.study.unfolding import unfolded


def parse_study(raw: dict[str, Any], source: str) -> Study:
    """A checked study from parsed TOML or JSON; raises `StudyError` with every problem of it."""
    raw, problems = unfolded(raw)
    filled = _with_shared(_with_shared(raw, "training", TrainingSpec, {}), "model", ModelSpec, None)
    problems += _problems_across(raw)
    try:
        study = Study.model_validate(filled, context={})
    except ValidationError as error:
        raise StudyError(source, explain(error, Study) + problems) from None
    problems += _problems_of_lengths(study)
    if problems:
        raise StudyError(source, problems)
    return study


def read_study(path: Path) -> Study:
    """The study of a TOML file; executes the files of tasks that it names, and checks them."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(str(path), ["no such file; give the path of a study file (TOML)"]) from None
    except IsADirectoryError:
        raise StudyError(str(path), ["this is a folder; give the path of a study file (TOML)"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(str(path), [f"not valid TOML: {error}"]) from None
    files, problems = read_files(raw.get("tasks", []), path.parent, raw)
    if problems:
        raise StudyError(str(path), problems)
    study = parse_study(raw | {"tasks": files}, str(path))
    if problems := check_files(
        study.tasks, study.longest, alphabet_size=study.alphabet_size, grid_size=study.grid_size
    ):
        raise StudyError(str(path), problems)
    return study


def as_it_was_trained(raw: dict[str, Any]) -> dict[str, Any]:
    """A study as a run folder keeps it; its groups shared their initial weights where it does not name twins."""
    groups = raw.get("groups")
    if not isinstance(groups, list):
        return raw
    return raw | {"groups": [{"twins": None} | group if isinstance(group, dict) else group for group in groups]}


def _with_shared(raw: dict[str, Any], key: str, spec: type[BaseModel], absent: Any) -> dict[str, Any]:
    """Lay each group's own table of that name over the study's, so that a group states only what differs."""
    shared, groups = raw.get(key, {}), raw.get("groups")
    if not isinstance(shared, dict) or not isinstance(groups, list):
        return raw
    known = {name: value for name, value in shared.items() if name in spec.model_fields}
    laid = [
        group | {key: known | group.get(key, absent)}
        if isinstance(group, dict) and isinstance(group.get(key, absent), dict)
        else group
        for group in groups
    ]
    return raw | {"groups": laid}


def _problems_across(raw: dict[str, Any]) -> Iterator[str]:
    """What no single group can see; found even where other parts of the study are wrong."""
    groups = raw.get("groups")
    names = [group.get("name") for group in groups if isinstance(group, dict)] if isinstance(groups, list) else []
    for index, name in enumerate(names):
        if isinstance(name, str) and name in names[:index]:
            yield f"groups[{index}].name: {name!r} is taken by groups[{names.index(name)}]; try '{name}_{index + 1}'"


def _problems_of_lengths(study: Study) -> list[str]:
    length = study.measures.score_length
    limits = {name: study.task(name).max_length for group in study.groups for name in group.task_names}
    too_long = [
        f"groups {group.name!r}: {entry.task} has no length {entry.max_length} here; its longest is {limit}"
        for group in study.groups
        for entry in group.tasks
        if (limit := limits[entry.task]) is not None and entry.max_length > limit
    ]
    return too_long + [
        f"measures.score_length: {length} is outside the lengths that group {group.name!r} trains {entry.task} on; "
        f"nearest: {min(max(length, entry.min_length), entry.max_length)}"
        for group in study.groups
        for entry in group.tasks
        if length is not None and not entry.min_length <= length <= entry.max_length
    ]
