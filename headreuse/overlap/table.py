"""The overlap table: every pair of tasks of one checkpoint, and any two sets of head scores."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from itertools import combinations, permutations

import numpy as np
import pandas as pd

from headreuse.overlap.chance import Shuffles, shuffles_within_layers
from headreuse.overlap.compare import ComparisonSettings, Draws, Overlap, draw, overlap, prepare
from headreuse.overlap.confined import draw_confined, over_heads_of_both, over_heads_of_either, why_set
from headreuse.overlap.registry import MapMetric, PatternMetric
from headreuse.overlap.resampling import resample
from headreuse.overlap.usable import below_floor, beyond_training, why_unusable
from headreuse.records import HeadScores, MeanPattern
from headreuse.study.group import Group

ATTENTION = {"method": "attention", "outcome": "pattern"}
"""Method and outcome of the rows of metrics of patterns, which need no head score."""
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

DEFAULT = ComparisonSettings()

Row = dict[str, object]


def compare(
    a: HeadScores,
    b: HeadScores,
    *,
    settings: ComparisonSettings = DEFAULT,
    generator: np.random.Generator | None = None,
) -> pd.DataFrame:
    """One row per outcome and metric of maps for any two sets of head scores: tasks, checkpoints, seeds or methods.

    The columns are `COLUMNS`; length and method are those of `a`. Metrics of patterns are left out. Heads are compared
    by their place, which means nothing between models that were initialised differently. Prompts are resampled and
    heads shuffled with `generator`, or always alike where none is given. Of tasks that are confined to some heads see
    `confined.py`.
    """
    generator = np.random.default_rng(0) if generator is None else generator
    return pd.DataFrame(list(_rows_of([a, b], settings, generator)), columns=COLUMNS)


def overlap_table(
    scores: Sequence[HeadScores],
    patterns: Sequence[MeanPattern],
    group: Group,
    *,
    settings: ComparisonSettings,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Every pair of tasks of one checkpoint, main first, by each metric of `settings`; columns `COLUMNS`.

    First the metrics of maps, by method and outcome, then those of patterns. These have method `attention`, outcome
    `pattern` and no interval, since patterns are stored as means; where prompts do not line up the value is NaN and the
    reason says where. Tasks without scores or patterns have no row. `baseline_a` and `baseline_b` are the accuracies
    of the two tasks. `usable` is False where heads were scored beyond a task's training lengths (`beyond_training`) and
    for the reasons of `why_unusable`. `note` says why a row has no interval or no p.
    """
    order = {entry.task: place for place, entry in enumerate(group.tasks)}
    rows: list[Row] = []
    for method, length in dict.fromkeys((entry.method, entry.length) for entry in scores):
        chosen = [entry for entry in scores if (entry.method, entry.length) == (method, length)]
        chosen.sort(key=lambda entry: order[entry.task])
        rows += _rows_of(chosen, settings, generator)
    rows += _pattern_rows(sorted(patterns, key=lambda entry: order[entry.task]), scores, settings, generator)
    return _marked_beyond_training(pd.DataFrame(rows, columns=COLUMNS), group)


def _rows_of(
    scores: Sequence[HeadScores], settings: ComparisonSettings, generator: np.random.Generator
) -> Iterator[Row]:
    """A row for each outcome, metric of maps and pair of `scores`, in their order; both ways for a directed metric."""
    outcomes = [outcome for outcome in scores[0].effects if all(outcome in entry.effects for entry in scores)]
    if all(entry.heads is None for entry in scores):
        draws, places = draw(scores, settings, generator), range(len(scores))
        pairs = [
            (metric, list((combinations if metric.symmetric else permutations)(places, 2)))
            for metric in settings.map_metrics
        ]
        for outcome in outcomes:
            yield from _map_rows(scores, outcome, settings, draws, pairs)
        return
    for first, second in permutations(range(len(scores)), 2):
        metrics = [(metric, [(0, 1)]) for metric in settings.map_metrics if first < second or not metric.symmetric]
        if not metrics:
            continue
        pair = over_heads_of_either(scores[first], scores[second])
        draws = draw_confined(*pair, settings, generator)
        for outcome in outcomes:
            yield from _map_rows(pair, outcome, settings, draws, metrics)


def _map_rows(
    scores: Sequence[HeadScores],
    outcome: str,
    settings: ComparisonSettings,
    draws: Draws,
    pairs: Sequence[tuple[MapMetric, Sequence[tuple[int, int]]]],
) -> Iterator[Row]:
    """A row for each metric and pair of places in `scores`."""
    maps = [resample(entry.effects[outcome], draws.weights[entry.effects[outcome].shape[-1]]) for entry in scores]
    reasons = [why_unusable(entry, outcome, baseline_floor=settings.baseline_floor) for entry in scores]
    for metric, places in pairs:
        prepared = [
            prepare(metric, of_task, draws, k=settings.top_k, heads=entry.heads)
            for of_task, entry in zip(maps, scores, strict=True)
        ]
        for i, j in places:
            found = overlap(metric, prepared[i], prepared[j], draws)
            undefined = f"{metric.name} is undefined for these maps" if np.isnan(found.value) else ""
            a, b = scores[i], scores[j]
            label = {"task_a": a.task, "task_b": b.task, "length": a.length, "method": a.method, "outcome": outcome}
            label |= {"baseline_a": _accuracy(a), "baseline_b": _accuracy(b)}
            yield label | asdict(found) | _flag(why_set(a, b), reasons[i], reasons[j], undefined)


def _pattern_rows(
    patterns: Sequence[MeanPattern],
    scores: Sequence[HeadScores],
    settings: ComparisonSettings,
    generator: np.random.Generator,
) -> Iterator[Row]:
    """A row for each metric of patterns and pair of `patterns`; all metrics share the rearrangements of a pair."""
    if not settings.pattern_metrics:
        return
    baselines = {entry.task: entry for entry in scores}
    drawn = {}
    for a, b in combinations(patterns, 2):
        n_layers, n_heads = over_heads_of_both(a, b)[0].pattern.shape[:2]
        drawn[a.task, b.task] = shuffles_within_layers(
            n_layers, n_heads, generator, n_permutations=settings.n_permutations
        )
    for metric in settings.pattern_metrics:
        pick = combinations if metric.symmetric else permutations
        for a, b in pick(patterns, 2):
            shuffles = drawn.get((a.task, b.task)) or drawn[b.task, a.task]
            label = {"task_a": a.task, "task_b": b.task, "length": a.length, **ATTENTION}
            label |= {f"baseline_{side}": _accuracy(baselines.get(one.task)) for side, one in (("a", a), ("b", b))}
            scored = [baselines[one.task] for one in (a, b) if one.task in baselines]
            floors = [below_floor(one, settings.baseline_floor) for one in scored]
            pair = over_heads_of_both(a, b)
            reason = why_set(a, b) or metric.misalignment(*pair)
            found = Overlap(metric.name, np.nan) if reason else _pattern_overlap(metric, *pair, shuffles)
            yield label | asdict(found) | _flag(reason, *floors)


def _pattern_overlap(metric: PatternMetric, a: MeanPattern, b: MeanPattern, shuffles: Shuffles) -> Overlap:
    """How alike two patterns are whose prompts line up."""
    chance = metric.chance(a, b, shuffles)
    note = "; ".join(filter(None, ("no interval: patterns are kept as means over prompts", chance.note)))
    return Overlap(
        metric.name, metric.value(a, b), chance=chance.level, p_chance=chance.p, least_p=chance.least_p, note=note
    )


def _accuracy(scores: HeadScores | None) -> float:
    """The untouched model's accuracy (exact match); NaN without scores."""
    return float(scores.baseline["exact_match"].mean()) if scores else np.nan


def _flag(*reasons: str) -> Row:
    reason = "; ".join(dict.fromkeys(one for one in reasons if one))
    return {"usable": not reason, "reason": reason}


def _marked_beyond_training(table: pd.DataFrame, group: Group) -> pd.DataFrame:
    for length in table["length"].unique():
        if outside := beyond_training(group, length):
            beyond = table["length"] == length
            table.loc[beyond, "reason"] = [
                f"{outside}; {reason}" if reason else outside for reason in table.loc[beyond, "reason"]
            ]
            table.loc[beyond, "usable"] = False
    return table
