"""What is lost where several heads are ablated at once? Sets of heads, and other sets to compare them with."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from math import comb, prod
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from headreuse.errors import HeadreuseError
from headreuse.interventions.ablate import ablate
from headreuse.interventions.batch import HeadSet
from headreuse.interventions.replacements import ReplacementName, replacement_for
from headreuse.interventions.subject import Subject, prepare
from headreuse.models.anatomy import Decoder
from headreuse.records import Head, Position, Prompts
from headreuse.records.shown import Shown

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, repr=False)
class SetScores(Shown):
    """What ablating each of several head sets does to one task, example by example."""

    task: str
    length: int
    replacement: ReplacementName
    position: Position
    sets: tuple[HeadSet, ...]
    baseline: Mapping[str, Float[np.ndarray, "prompt"]]
    """Outcomes of the untouched model, by name."""
    effects: Mapping[str, Float[np.ndarray, "set prompt"]]
    """Baseline outcome minus the outcome under the ablation, by name: positive where the set helps."""

    def effect(self, outcome: str) -> Float[np.ndarray, "set"]:
        """Mean effect of each set over the examples."""
        return self.effects[outcome].mean(axis=-1)

    def to_xarray(self) -> "xr.Dataset":
        """The effects as one labelled variable per outcome, dimensions set (by its name) and example."""
        # Slow to import, and needed here alone.
        import xarray as xr

        variables = {outcome: (("set", "example"), values) for outcome, values in self.effects.items()}
        return xr.Dataset(variables, {"set": [name_of(heads) for heads in self.sets]}, self._labels)

    def to_frame(self) -> pd.DataFrame:
        """One row per outcome and set: task, length, replacement, position, outcome, set, n_heads, baseline, effect."""
        rows = [
            (*self._labels.values(), outcome, name_of(heads), len(heads), baseline.mean(), effect)
            for outcome, baseline in self.baseline.items()
            for heads, effect in zip(self.sets, self.effect(outcome), strict=True)
        ]
        return pd.DataFrame(rows, columns=[*self._labels, "outcome", "set", "n_heads", "baseline", "effect"])

    @property
    def _labels(self) -> dict[str, str | int]:
        names = ("task", "length", "replacement", "position")
        return {name: getattr(self, name) for name in names}


def name_of(heads: Collection[Head]) -> str:
    """Heads in order, for example `0.1 2.3`."""
    return " ".join(map(str, sorted(heads)))


def set_ablation(
    model: Decoder,
    prompts: Prompts,
    sets: Iterable[Collection[Head]],
    *,
    replacement: ReplacementName = "mean",
    position: Position = "each",
    seed: int = 0,
    memory_budget: int | None = None,
    dtype: torch.dtype | None = None,
) -> SetScores:
    """Ablate all heads of a set at once, one set after the other.

    Args:
        replacement: What ablated heads write instead: their `mean` over the prompts, as in `mean_ablation`; `resample`,
            what they wrote on another prompt, as in `resample_ablation`; `zero`.
        position: `each` takes the replacement position by position, for which prompts must be aligned; `role` takes it
            from the same named span; `pooled` takes it from all positions together.
        seed: Settles which prompt each prompt is resampled from.
        memory_budget: See `prepare`.
        dtype: See `prepare`.
    """
    subject = prepare(model, prompts, memory_budget=memory_budget, dtype=dtype)
    frozen = tuple(frozenset(heads) for heads in sets)
    require_heads(subject, frozen)
    ablated = ablate(subject, frozen, replacement_for(subject, replacement, position, seed=seed))
    length = int(prompts.lengths.max())
    return SetScores(prompts.task, length, replacement, position, frozen, ablated.baseline, ablated.effects)


def other_sets_like(
    heads: Collection[Head], among: int | Sequence[int], most: int, generator: np.random.Generator
) -> list[HeadSet]:
    """Other sets with as many heads in each layer as `heads` has.

    All of them where there are at most `most`; else `most` of them at random. None is there twice, and `heads` is not
    among them.

    Args:
        heads: What the sets are like.
        among: How many heads a layer holds, or which of its heads the sets are made of: those of `heads` and others.
        most: How many sets.
        generator: Draws them.
    """
    per_layer = Counter(head.layer for head in heads)
    own, candidates = frozenset(heads), np.arange(among) if isinstance(among, int) else np.array(among)
    if prod(comb(len(candidates), k) for k in per_layer.values()) <= most + 1:
        return [one for one in _all_sets(per_layer, candidates.tolist()) if one != own]
    # A set that is drawn again is drawn anew, which leaves each choice of `most` distinct sets as likely as any other.
    drawn: dict[HeadSet, None] = {}
    while len(drawn) < most:
        one = frozenset(
            Head(layer, int(index))
            for layer, k in sorted(per_layer.items())
            for index in generator.choice(candidates, k, replace=False)
        )
        if one != own:
            drawn[one] = None
    return list(drawn)


def _all_sets(per_layer: Mapping[int, int], candidates: Sequence[int]) -> Iterator[HeadSet]:
    within = [
        [[Head(layer, index) for index in chosen] for chosen in combinations(candidates, k)]
        for layer, k in sorted(per_layer.items())
    ]
    return (frozenset(chain(*parts)) for parts in product(*within))


def require_heads(subject: Subject, sets: Sequence[HeadSet]) -> None:
    """Refuse heads that the model has not."""
    n_layers, n_heads = subject.anatomy.n_layers, subject.anatomy.n_heads
    for head in sorted(frozenset().union(*sets)):
        if not (0 <= head.layer < n_layers and 0 <= head.head_index < n_heads):
            raise HeadreuseError(f"there is no head {head}: the model has {n_layers} layers of {n_heads} heads")
