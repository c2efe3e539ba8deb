"""Overlap over tasks, seeds and groups, as tables that a figure draws: matrices, ceilings, specificity."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from headreuse.overlap.compare import HEADLINE_METRICS
from headreuse.overlap.registry import OVERLAP_METRICS
from headreuse.records import HeadScores
from headreuse.tables.transfer import over_seeds

SHOWN = ("value", "chance", "noise_floor", "noise_ceiling")


def overlap_matrix(overlap: pd.DataFrame) -> pd.DataFrame:
    """Rows of the overlap table as task × task, seeds averaged: a row for each ordered pair of tasks.

    Columns: group, step, method, outcome, metric, task_a, task_b, value, chance, noise_floor, noise_ceiling. Pairs
    whose metric is symmetric stand both ways round; checkpoints that are not usable are left out.
    """
    rows = overlap[overlap["usable"].astype(bool)]
    symmetric = [name not in OVERLAP_METRICS or OVERLAP_METRICS[name].symmetric for name in rows["metric"]]
    mirrored = rows[symmetric].rename(columns={"task_a": "task_b", "task_b": "task_a"})
    both = pd.concat([rows, mirrored], ignore_index=True)
    keys = ["group", "step", "method", "outcome", "metric", "task_a", "task_b"]
    return both.groupby(keys, sort=False, as_index=False)[list(SHOWN)].mean()


def seed_ceiling(
    scores: Mapping[int, Sequence[HeadScores]], *, metrics: Sequence[str] = HEADLINE_METRICS, k: int = 3
) -> pd.DataFrame:
    """How alike the maps of one task are in two seeds, mean over pairs of seeds: an empirical ceiling.

    Columns: task, method, outcome, metric, by_place, by_rank, n_pairs. Initialisation decides which head of a layer
    learns what, so `by_place` (head against head) is expected at chance; `by_rank` compares the heads of each layer
    in the order of their effects: how alike the profiles of the layers are, whichever head is which.

    Args:
        scores: by seed, all of one group and step.
        metrics: names of overlap metrics.
        k: size of top-k sets.
    """
    rows = []
    first = next(iter(scores.values()))
    for entry in first:
        same = [_of(found, entry) for found in scores.values()]
        for outcome in entry.effects:
            maps = [one.effect(outcome) for one in same if one is not None]
            rows += [_ceiling_row(entry, outcome, name, maps, k) for name in metrics]
    return pd.DataFrame(rows)


def specificity(functional: pd.DataFrame) -> pd.DataFrame:
    """Functional overlap of related and control groups over seeds, a row for each group, outcome and pair of tasks.

    From functional tables with columns group, kind and seed in front: group, kind, outcome, source, target, measure
    (`value`, or `chance`: the same of random sets), mean, ci_low, ci_high, low, high, n_seeds. Usable cells alone,
    and no task with itself.
    """
    rows = functional[functional["usable"].astype(bool) & (functional["source"] != functional["target"])]
    return over_seeds(rows, by=["group", "kind", "outcome", "source", "target"], values=["value", "chance"])


def _of(scores: Sequence[HeadScores], like: HeadScores) -> HeadScores | None:
    """The scores of the same task, method and length."""
    key = (like.task, like.method, like.length)
    return next((entry for entry in scores if (entry.task, entry.method, entry.length) == key), None)


def _ceiling_row(entry: HeadScores, outcome: str, name: str, maps: Sequence[np.ndarray], k: int) -> dict[str, object]:
    metric = OVERLAP_METRICS[name]
    pairs = list(combinations(maps, 2))
    ranked = [(np.sort(a, axis=-1), np.sort(b, axis=-1)) for a, b in pairs]
    by_place, by_rank = (
        float(np.mean([metric(a, b, k=k) for a, b in found])) if found else np.nan for found in (pairs, ranked)
    )
    label = {"task": entry.task, "method": entry.method, "outcome": outcome, "metric": name}
    return label | {"by_place": by_place, "by_rank": by_rank, "n_pairs": len(pairs)}
