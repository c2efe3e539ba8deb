"""The overlap table: every pair of tasks of one checkpoint, and any two sets of head scores."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from itertools import combinations, permutations

import numpy as np
import pandas as pd

from headreuse.overlap.attention import attention_chance, attention_difference, misalignment
from headreuse.overlap.chance import Shuffles, shuffles_within_layers
from headreuse.overlap.compare import ComparisonSettings, Draws, Overlap, draw, overlap, prepare
from headreuse.overlap.registry import OVERLAP_METRICS
from headreuse.overlap.resampling import resample
from headreuse.overlap.usable import below_floor, beyond_training, why_unusable
from headreuse.records import HeadScores, MeanPattern
from headreuse.study.config import Group

ATTENTION = {"method": "attention", "outcome": "pattern"}
"""How D_attn, which is of no head score, stands in the table."""
COLUMNS = (
    "task_a",
    "task_b",
    "length",
    "method",
    "outcome",
    *(field.name for field in fields(Overlap)),
    "baseline_a",
    "baseline_b",
    "usable",
    "reason",
)

Row = dict[str, object]


def compare(
    a: HeadScores, b: HeadScores, *, settings: ComparisonSettings, generator: np.random.Generator
) -> pd.DataFrame:
    """One row per outcome and metric for any two sets of head scores: tasks, checkpoints, seeds, lengths or methods.

    The columns are `COLUMNS`, length and method those of `a`. Heads are compared by their place, which means nothing
    between models that were initialised differently.
    """
    draws = draw([a, b], settings, generator)
    shared = [outcome for outcome in a.effects if outcome in b.effects]
    return pd.DataFrame([row for outcome in shared for row in _rows([a, b], outcome, settings, draws)], columns=COLUMNS)


def overlap_table(
    scores: Sequence[HeadScores],
    patterns: Sequence[MeanPattern],
    group: Group,
    *,
    settings: ComparisonSettings,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Every pair of tasks of one checkpoint, main first, by method, outcome and metric, and D_attn; columns `COLUMNS`.

    D_attn has method `attention`, outcome `pattern` and no interval, since patterns are stored as means; where
    prompts do not line up it is NaN and the reason says where. Tasks without scores or patterns have no row.
    `baseline_a` and `baseline_b` are the tasks' own accuracies. `usable` is False where maps were taken beyond a
    task's training range (trap 2) and for the reasons of `why_unusable`.
    """
    order = {entry.task: place for place, entry in enumerate(group.tasks)}
    rows: list[Row] = []
    for method, length in dict.fromkeys((entry.method, entry.length) for entry in scores):
        chosen = [entry for entry in scores if (entry.method, entry.length) == (method, length)]
        chosen.sort(key=lambda entry: order[entry.task])
        draws = draw(chosen, settings, generator)
        for outcome in chosen[0].effects:
            rows += _rows(chosen, outcome, settings, draws)
    rows += _attention_rows(sorted(patterns, key=lambda entry: order[entry.task]), scores, settings, generator)
    return _marked_beyond_training(pd.DataFrame(rows, columns=COLUMNS), group)


def _rows(scores: Sequence[HeadScores], outcome: str, settings: ComparisonSettings, draws: Draws) -> Iterator[Row]:
    """A row for each metric and pair of `scores`, in their order; both ways round for a directed metric."""
    maps = [resample(entry.effects[outcome], draws.weights[entry.effects[outcome].shape[-1]]) for entry in scores]
    reasons = [why_unusable(entry, outcome, baseline_floor=settings.baseline_floor) for entry in scores]
    for name in settings.metrics:
        metric = OVERLAP_METRICS[name]
        prepared = [prepare(metric, entry, draws, k=settings.top_k) for entry in maps]
        pick = combinations if metric.symmetric else permutations
        for i, j in pick(range(len(scores)), 2):
            found = overlap(metric, prepared[i], prepared[j], draws)
            undefined = f"{name} is undefined for these maps" if np.isnan(found.value) else ""
            a, b = scores[i], scores[j]
            label = {"task_a": a.task, "task_b": b.task, "length": a.length, "method": a.method, "outcome": outcome}
            label |= {"baseline_a": _accuracy(a), "baseline_b": _accuracy(b)}
            yield label | asdict(found) | _flag(reasons[i], reasons[j], undefined)


def _attention_rows(
    patterns: Sequence[MeanPattern],
    scores: Sequence[HeadScores],
    settings: ComparisonSettings,
    generator: np.random.Generator,
) -> Iterator[Row]:
    baselines = {entry.task: entry for entry in scores}
    for a, b in combinations(patterns, 2):
        n_layers, n_heads = a.pattern.shape[:2]
        shuffles = shuffles_within_layers(n_layers, n_heads, generator, n_permutations=settings.n_permutations)
        yield _attention_row(a, b, baselines, settings.baseline_floor, shuffles)


def _attention_row(
    a: MeanPattern, b: MeanPattern, baselines: dict[str, HeadScores], floor: float, shuffles: Shuffles
) -> Row:
    scored = [baselines[entry.task] for entry in (a, b) if entry.task in baselines]
    apart = misalignment(a, b)
    label = {"task_a": a.task, "task_b": b.task, "length": a.length, **ATTENTION}
    label |= {f"baseline_{side}": _accuracy(baselines.get(entry.task)) for side, entry in (("a", a), ("b", b))}
    flag = _flag(apart, *(below_floor(entry, floor) for entry in scored))
    if apart:
        return label | asdict(Overlap("attention_difference", np.nan)) | flag
    found = attention_chance(a, b, shuffles)
    value = attention_difference(a, b)
    return label | asdict(Overlap("attention_difference", value, chance=found.level, p_chance=found.p)) | flag


def _accuracy(scores: HeadScores | None) -> float:
    """The untouched model's accuracy (exact match); NaN without scores."""
    return float(scores.baseline["exact_match"].mean()) if scores else np.nan


def _flag(*reasons: str) -> Row:
    told = "; ".join(dict.fromkeys(reason for reason in reasons if reason))
    return {"usable": not told, "reason": told}


def _marked_beyond_training(table: pd.DataFrame, group: Group) -> pd.DataFrame:
    for length in table["length"].unique():
        if told := beyond_training(group, length):
            beyond = table["length"] == length
            table.loc[beyond, "reason"] = [
                f"{told}; {reason}" if reason else told for reason in table.loc[beyond, "reason"]
            ]
            table.loc[beyond, "usable"] = False
    return table
