"""A study file (TOML) read and checked: all its mistakes are found at once, with their places and what is right.

Nothing is trained, unfolded or drawn before what it asks for is known to be small.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from headreuse.study import limits
from headreuse.study.asking import problems_of_question, problems_of_transfer, with_groups_named
from headreuse.study.config import Study
from headreuse.study.drawing import problems_of_drawing
from headreuse.study.explaining import StudyError, explain
from headreuse.study.feasible import problems_of_lengths, problems_of_size, problems_of_subsets
from headreuse.study.frozen import is_name
from headreuse.study.masking import with_masks
from headreuse.study.measured import with_measured
from headreuse.study.model_spec import ModelSpec
from headreuse.study.one_group import Unfolded
from headreuse.study.own_tasks import check_files, read_files
from headreuse.study.positioned import problems_of_positions
from headreuse.study.prompt_files import with_prompt_files
from headreuse.study.showing import Place, place_shown, shown
from headreuse.study.source_specs import with_places
from headreuse.study.starts import problems_of_starts
from headreuse.study.text_groups import problems_of_texts
from headreuse.study.texts import UnreadableError, parsed_toml, read_text
from headreuse.study.training_spec import TrainingSpec
from headreuse.study.unfolding import TooManyGroupsError, unfolded

FINDERS = (
    problems_of_question,
    problems_of_transfer,
    problems_of_texts,
    problems_of_starts,
    problems_of_lengths,
    problems_of_positions,
    problems_of_size,
    problems_of_subsets,
)
"""What is looked for in a study whose parts are sound, each where nothing was found before."""


@dataclass(frozen=True)
class Checked:
    """A study, and the entries of its file that its groups come from."""

    study: Study
    entries: Sequence[Unfolded]

    def origin(self, place: Place) -> Place:
        """Where in the user's file a place of the study comes from."""
        return _origin(self.entries, place)


def parse_study(raw: dict[str, Any], source: str) -> Study:
    """A checked study from parsed TOML or JSON; raises `StudyError` with every problem of it."""
    return _checked(raw, source).study


def read_study(path: Path) -> Study:
    """The study of a TOML file; executes the files of tasks that it names, and checks them."""
    try:
        raw = parsed_toml(read_text(path, limits.STUDY_BYTES))
    except UnreadableError as error:
        right = "" if str(error).startswith("not valid TOML") else "; give the path of a study file (TOML)"
        raise StudyError(str(path), [f"{error}{right}"]) from None
    files, problems = read_files(raw.get("tasks", []), path.parent, raw)
    if problems:
        raise StudyError(str(path), problems)
    raw, problems = with_prompt_files(with_places(raw, path.parent), path.parent)
    raw, of_transfer = with_measured(raw, path.parent)
    if problems := problems + of_transfer:
        raise StudyError(str(path), problems)
    checked = _checked(raw | {"tasks": files}, str(path))
    study = checked.study
    problems = check_files(study.tasks, study.longest, alphabet_size=study.alphabet_size, grid_size=study.grid_size)
    if problems := problems or list(problems_of_drawing(study, checked.origin)):
        raise StudyError(str(path), problems)
    return study


def _checked(raw: dict[str, Any], source: str) -> Checked:
    if deep := _too_deep(raw):
        raise StudyError(source, [f"{place_shown(deep)}: nested more than {limits.DEPTH} deep; a study needs 5"])
    entries, problems = _unfolded(raw, source)
    if entries:
        raw = raw | {"groups": [entry.raw for entry in entries]}
    problems += _taken_names(entries)
    raw, unknown = with_groups_named(raw, entries)
    problems += unknown
    filled = _with_shared(_with_shared(raw, "training", TrainingSpec, {}), "model", ModelSpec, None)
    filled, of_masks = with_masks(filled, entries)
    problems += of_masks
    try:
        checked = Checked(Study.model_validate(filled, context={}), entries)
    except ValidationError as error:
        lines, n_more = explain(error, Study, lambda place: _origin(entries, place))
        raise StudyError(source, lines + problems, n_more) from None
    for find in FINDERS:
        problems = problems or list(find(checked.study, checked.origin))
    if problems:
        raise StudyError(source, problems)
    return checked


def _too_deep(raw: object) -> Place | None:
    """The first place that is nested too deeply."""
    waiting: list[tuple[object, Place]] = [(raw, ())]
    while waiting:
        value, place = waiting.pop()
        inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        if inside and len(place) >= limits.DEPTH:
            return place
        waiting += [(item, (*place, key)) for key, item in inside if isinstance(item, (dict, list))]
    return None


def _unfolded(raw: dict[str, Any], source: str) -> tuple[list[Unfolded], list[str]]:
    groups = raw.get("groups")
    if not isinstance(groups, list):
        return [], []
    try:
        return unfolded(groups)
    except TooManyGroupsError as error:
        raise StudyError(source, [str(error)]) from None


def _origin(entries: Sequence[Unfolded], place: Place) -> Place:
    if len(place) < 2 or place[0] != "groups" or not isinstance(place[1], int):
        return place
    # A file names a source by its own key, which the message tells.
    inside = () if place[2:3] == ("source",) else place[2:]
    return entries[place[1]].origin(inside)


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


def _taken_names(entries: Sequence[Unfolded]) -> Iterator[str]:
    """Names that two groups would have; found even where other parts of the study are wrong."""
    first: dict[str, int] = {}
    for entry in entries:
        name, place = entry.raw.get("name") if isinstance(entry.raw, dict) else None, f"groups[{entry.index}]"
        if not is_name(name):
            continue
        if name not in first:
            first[name] = entry.index
        elif first[name] == entry.index:
            yield f"{place}.auxiliary: gives two groups of the name {shown(name)}; name each auxiliary task once"
        else:
            right = shown(f"{name}_{entry.index + 1}")
            yield f"{place}.name: {shown(name)} is taken by groups[{first[name]}]; try {right}"
