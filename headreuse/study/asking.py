"""The primary question as a study file asks it: groups named by their entry, and what does not fit the rest of it."""

from collections.abc import Iterator, Sequence
from typing import Any

from headreuse.records import ATTENTION
from headreuse.study.config import Study
from headreuse.study.explaining import hint
from headreuse.study.feasible import Origin
from headreuse.study.frozen import is_name
from headreuse.study.measure_spec import PATTERN_SCORES, is_of_patterns
from headreuse.study.showing import shown
from headreuse.study.unfolding import Unfolded

WITHOUT_TRANSFER = 'its prompts have no lengths, so give a file of transfer (transfer = "mine.csv")'


def with_groups_named(raw: dict[str, Any], entries: Sequence[Unfolded]) -> tuple[dict[str, Any], list[str]]:
    """The raw study with the groups that its question means, each by its own name; and what is wrong with the names.

    A name is that of a group as it is in the tables, or else of an entry, and then stands for all groups with
    auxiliaries that the entry is unfolded to.
    """
    primary = raw.get("primary", {})
    asked = primary.get("groups") if isinstance(primary, dict) else None
    if isinstance(primary, dict) and not asked and any(entry.beside for entry in entries):
        return raw | {"primary": primary | {"groups": _related(entries)}}, []
    if not isinstance(primary, dict) or not isinstance(asked, list) or not all(map(is_name, asked)):
        return raw, []  # pydantic says what is wrong with it
    meant = _meant(entries)
    known = [name for name, groups in meant.items() if groups]
    found: list[str] = []
    problems = []
    for index, name in enumerate(asked):
        if not meant.get(name):
            wrong = f"{shown(name)} has no auxiliary task" if name in meant else f"unknown group {shown(name)}"
            right = f"; choose from: {', '.join(known)}" if known else ""
            problems.append(f"primary.groups[{index}]: {wrong}{hint(name, known)}{right}")
        elif name in asked[:index]:
            problems.append(f"primary.groups: {shown(name)} is listed twice; list it once")
        found += meant.get(name, [])
    return raw | {"primary": primary | {"groups": list(dict.fromkeys(found))}}, problems


def _related(entries: Sequence[Unfolded]) -> list[str]:
    """The related groups but those that are there for comparison."""
    raws = [entry.raw for entry in entries if isinstance(entry.raw, dict) and not entry.beside]
    return [
        raw["name"]
        for raw in raws
        if is_name(raw.get("name")) and raw.get("auxiliary") and raw.get("kind") != "control"
    ]


def _meant(entries: Sequence[Unfolded]) -> dict[str, list[str]]:
    """For each name that a group or an entry has, the groups with auxiliaries that it stands for."""
    groups: dict[str, list[str]] = {}
    of_entry: dict[str, list[str]] = {}
    for entry in entries:
        name = entry.raw.get("name") if isinstance(entry.raw, dict) else None
        if is_name(name):
            groups[name] = [name] if entry.raw.get("auxiliary") else []
            of_entry.setdefault(entry.entry_name or name, []).extend([] if entry.beside else groups[name])
    return of_entry | groups


def problems_of_question(study: Study, _origin: Origin) -> Iterator[str]:
    """A primary question about what the study does not measure."""
    asked, measures = study.primary, study.measures
    for key, name, choices in (
        ("overlap", asked.overlap, measures.overlap_metrics),
        ("method", asked.method, measures.methods),
    ):
        if name is not None and name not in choices:
            where = "overlap_metrics" if key == "overlap" else "methods"
            right = f"choose from: {', '.join(choices)}, or add it to measures.{where}"
            yield f"primary.{key}: {shown(name)} is not measured{hint(name, list(choices))}; {right}"
    yield from _other_outcome(study)
    yield from _unknown_transfer(study)
    overlap = study.question.overlap
    assert overlap is not None
    for key in ("method", "outcome"):
        if getattr(asked, key) is not None and is_of_patterns(overlap):
            yield f"primary.{key}: {overlap} compares attention patterns, which takes no head score; leave {key} out"


def _other_outcome(study: Study) -> Iterator[str]:
    """An outcome that the score which is asked of does not give."""
    asked, method = study.primary.outcome, study.headline_method
    if asked is None or (asked == ATTENTION) == (method in PATTERN_SCORES):
        return
    gives = f"{ATTENTION} alone" if method in PATTERN_SCORES else f"every outcome but {ATTENTION}"
    yield f"primary.outcome: {method} gives {gives}, not {shown(asked)}; leave outcome out, or ask of another method"


def _unknown_transfer(study: Study) -> Iterator[str]:
    asked, choices = study.primary.transfer, list(study.transfer_measures)
    if asked is not None and asked not in choices:
        right = f"choose from: {', '.join(choices)}" if choices else WITHOUT_TRANSFER
        yield f"primary.transfer: {shown(asked)} is none of the choices{hint(asked, choices)}; {right}"


def problems_of_transfer(study: Study, _origin: Origin) -> Iterator[str]:
    """Rows of a file of transfer that do not say whose they are, or name groups that are not there."""
    given = study.transfer
    if given is None:
        return
    names = [group.name for group in study.groups]
    if not given.has_groups and len(names) > 1:
        yield f"{given.file}: the study has {len(names)} groups; add a column group: {', '.join(names)}"
    trained = [group.name for group in study.groups if group.source is None]
    if not given.has_runs and trained and len(study.seeds) > 1:
        seeds = ", ".join(map(str, study.seeds))
        yield f"{given.file}: {trained[0]} has {len(study.seeds)} seeds; add a column seed: {seeds}"
    for row in given.rows:
        if row.group is not None and row.group not in names:
            right = f"{hint(row.group, names)}; choose from: {', '.join(names)}"
            yield f"{given.file}: line {row.line}: unknown group {shown(row.group)}{right}"
