"""What is lost where several heads go at once? Sets of heads, random sets to compare them with, and ablation curves."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
import xarray as xr
from jaxtyping import Float

from headreuse.errors import HeadreuseError
from headreuse.interventions.ablate import Ablated, ablate, single_heads
from headreuse.interventions.batch import HeadSet
from headreuse.interventions.sources import Source, mean_at_each_position, partner_at_each_position, pooled_mean, zeros
from headreuse.interventions.subject import Subject, prepare
from headreuse.records import Head, Prompts

Replacement = Literal["mean", "pooled_mean", "resample", "zero"]
"""What ablated heads write instead."""


@dataclass(frozen=True)
class SetScores:
    """What ablating each of several head sets does to one task, example by example."""

    task: str
    length: int
    replacement: str
    sets: tuple[HeadSet, ...]
    baseline: Mapping[str, Float[np.ndarray, "prompt"]]
    """Outcomes of the untouched model, by name."""
    effects: Mapping[str, Float[np.ndarray, "set prompt"]]
    """Baseline outcome minus the outcome under the ablation, by name: positive where the set helps."""

    def effect(self, outcome: str) -> Float[np.ndarray, "set"]:
        """Mean effect of each set over the examples."""
        return self.effects[outcome].mean(axis=-1)

    def to_xarray(self) -> xr.Dataset:
        """The effects as one labelled variable per outcome, dimensions set (by its name) and example."""
        variables = {outcome: (("set", "example"), values) for outcome, values in self.effects.items()}
        attributes = {"task": self.task, "length": self.length, "replacement": self.replacement}
        return xr.Dataset(variables, {"set": [name_of(heads) for heads in self.sets]}, attributes)

    def to_frame(self) -> pd.DataFrame:
        """One row per outcome and set: task, length, replacement, outcome, set, n_heads, baseline, effect."""
        rows = [
            (self.task, self.length, self.replacement, outcome, name_of(heads), len(heads), baseline.mean(), effect)
            for outcome, baseline in self.baseline.items()
            for heads, effect in zip(self.sets, self.effect(outcome), strict=True)
        ]
        columns = ["task", "length", "replacement", "outcome", "set", "n_heads", "baseline", "effect"]
        return pd.DataFrame(rows, columns=columns)


def name_of(heads: Collection[Head]) -> str:
    """Heads in order, for example `0.1 2.3`."""
    return " ".join(map(str, sorted(heads)))


def set_ablation(
    model: Any,
    prompts: Prompts,
    sets: Iterable[Collection[Head]],
    *,
    replacement: Replacement = "mean",
    seed: int = 0,
    memory_budget: int | None = None,
    dtype: torch.dtype | None = None,
) -> SetScores:
    """Ablate all heads of a set at once, one set after the other.

    Args:
        replacement: `mean` over the prompts at each position, as in `mean_ablation`; `pooled_mean` over all positions,
            for prompts that are not aligned; `resample` from a partner; `zero`.
        seed: Settles the partners of `resample`.
        memory_budget: See `prepare`.
        dtype: See `prepare`.
    """
    subject = prepare(model, prompts, memory_budget=memory_budget, dtype=dtype)
    frozen = tuple(frozenset(heads) for heads in sets)
    _require_heads(subject, frozen)
    return _set_scores(subject, frozen, replacement, ablate(subject, frozen, _source(subject, replacement, seed)))


def cumulative_ablation(model: Any, prompts: Prompts, order: Sequence[Head], **settings: Any) -> SetScores:
    """Ablate the first head of `order`, the first two, and so on; for the settings see `set_ablation`."""
    return set_ablation(model, prompts, [order[: n + 1] for n in range(len(order))], **settings)


def greedy_ablation(
    model: Any,
    prompts: Prompts,
    n_heads: int,
    *,
    outcome: str = "log_prob",
    replacement: Replacement = "mean",
    seed: int = 0,
    memory_budget: int | None = None,
) -> SetScores:
    """Ablate the head that costs most of `outcome`, then with it gone the next, until `n_heads` are gone.

    `sets` grow by one head each; the settings are those of `set_ablation`.
    """
    subject = prepare(model, prompts, memory_budget=memory_budget)
    source = _source(subject, replacement, seed)
    candidates = single_heads(subject)
    if not 1 <= n_heads <= len(candidates):
        raise HeadreuseError(f"n_heads {n_heads} is not between 1 and the model's {len(candidates)} heads")
    chosen: list[HeadSet] = []
    for _ in range(n_heads):
        so_far = chosen[-1] if chosen else frozenset()
        grown = [so_far | one for one in candidates if not one <= so_far]
        cost = ablate(subject, grown, source).effects[outcome].mean(axis=-1)
        chosen.append(grown[int(np.argmax(cost))])
    return _set_scores(subject, tuple(chosen), replacement, ablate(subject, chosen, source))


def random_sets_like(
    heads: Collection[Head], n_heads: int, n_sets: int, generator: np.random.Generator
) -> list[HeadSet]:
    """Sets drawn at random with as many heads in each layer as `heads` has, out of the `n_heads` that a layer holds."""
    layers = [head.layer for head in heads]
    return [
        frozenset(
            Head(layer, int(index))
            for layer in sorted(set(layers))
            for index in generator.choice(n_heads, layers.count(layer), replace=False)
        )
        for _ in range(n_sets)
    ]


def _source(subject: Subject, replacement: Replacement, seed: int) -> Source:
    if replacement == "resample":
        return partner_at_each_position(subject, seed)
    sources = {"mean": mean_at_each_position, "pooled_mean": pooled_mean, "zero": zeros}
    if replacement not in sources:
        raise HeadreuseError(f"unknown replacement {replacement!r}; choose from: mean, pooled_mean, resample, zero")
    return sources[replacement](subject)


def _require_heads(subject: Subject, sets: Sequence[HeadSet]) -> None:
    n_layers, n_heads = subject.anatomy.n_layers, subject.anatomy.n_heads
    for head in sorted(frozenset().union(*sets)):
        if not (0 <= head.layer < n_layers and 0 <= head.head_index < n_heads):
            raise HeadreuseError(f"there is no head {head}: the model has {n_layers} layers of {n_heads} heads")


def _set_scores(subject: Subject, sets: tuple[HeadSet, ...], replacement: str, ablated: Ablated) -> SetScores:
    task, length = subject.prompts.task, int(subject.prompts.lengths.max())
    return SetScores(task, length, replacement, sets, ablated.baseline, ablated.effects)
