"""What the stages pass on to each other: frozen records of plain arrays, no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from headreuse.errors import HeadreuseError
from headreuse.records.pictures import pairs_svg, patterns_svg, scores_svg, stretches
from headreuse.records.shown import LONGEST_TEXT, Drawn, Shown, in_short

if TYPE_CHECKING:
    import xarray as xr

OUTCOMES = ("exact_match", "token_accuracy", "log_prob", "logit_diff")
"""What is measured of one answer; `headreuse.evaluation` defines each."""

ATTENTION = "attention"
"""What scores of patterns give in the place of an effect on an outcome: a share of a head's attention, from 0 to 1."""

LARGE_COMPLETENESS_ERROR = 0.5
"""Of `HeadScores.completeness_error`. On checkpoints of the demo it is 0.93 and more with one gradient, which now and
then ranks heads backwards, and 0.19 to 0.41 with eight, which never does."""

Position = Literal["each", "role", "pooled"]
"""Which positions of other prompts correspond to a position: the same one, those of the same named span, or all."""


class Role(IntEnum):
    """What a position of a prompt is for. EOS belongs to the answer."""

    PAD = 0
    BOS = 1
    MARKER = 2
    INPUT = 3
    SEPARATOR = 4
    ANSWER = 5


@dataclass(frozen=True, order=True)
class Head:
    """One attention head; under grouped-query attention, one query head."""

    layer: int
    head_index: int

    def __str__(self) -> str:
        return f"{self.layer}.{self.head_index}"


@dataclass(frozen=True, repr=False)
class Prompts(Shown):
    """Examples of one task as token ids, right-padded: BOS where there is one, the prompt, its answer."""

    task: str
    tokens: Int[np.ndarray, "prompt pos"]
    corrupted: Int[np.ndarray, "prompt pos"] | None
    """Partners of the same layout, whose input differs and mostly their answer; None where there are none."""
    roles: Int[np.ndarray, "prompt pos"]
    """A `Role` for each position, the same for `tokens` and `corrupted`; `len(Role)` and more are `role_names`."""
    scored: Bool[np.ndarray, "prompt pos"]
    """True at the answer tokens that count in loss and outcomes."""
    lengths: Int[np.ndarray, "prompt"]
    """The task's length of each example: characters, digits or nodes; 0 where all prompts are taken together."""
    contrast: Int[np.ndarray, "prompt pos"] | None = None
    """A wrong answer's token at each scored position, which `logit_diff` compares with; None for the likeliest one."""
    role_names: tuple[str, ...] = ()
    """Names of the spans that have a role of their own, in the order of their roles."""

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: slice | Bool[np.ndarray, "prompt"] | Int[np.ndarray, "_row"]) -> "Prompts":
        arrays: dict[str, Any] = {
            name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        return replace(self, **arrays)

    def shown_fields(self, longest: int = LONGEST_TEXT) -> dict[str, str]:
        """How many prompts, of which lengths, and what stands at their positions."""
        lengths = [f"{length} ({n})" for length, n in zip(*np.unique(self.lengths, return_counts=True), strict=True)]
        roles = " · ".join(stretches(self.layout)) if len(self) and self.is_aligned else "differ from prompt to prompt"
        return {
            "task": in_short(self.task, longest),
            "n_prompts": str(len(self)),
            "lengths": in_short(tuple(lengths), longest).replace("'", ""),
            "n_positions": str(self.tokens.shape[1]),
            "roles": roles,
            "corrupted": "none" if self.corrupted is None else "a partner for each prompt",
            "contrast": "the likeliest other token" if self.contrast is None else "a wrong answer for each prompt",
        }

    def of_length(self, length: int) -> "Prompts":
        """The prompts of one length; length 0 stands for all prompts together, whatever their lengths."""
        if length == 0:
            return replace(self, lengths=np.zeros_like(self.lengths))
        rows = self.lengths == length
        if not rows.any():
            there = ", ".join(map(str, np.unique(self.lengths))) or "no prompts"
            raise HeadreuseError(f"{self.task}: no prompt of length {length}; there are {there}")
        return self[rows]

    @property
    def partners(self) -> Int[np.ndarray, "prompt pos"]:
        """The corrupted partners; prompts that have none are refused."""
        if self.corrupted is None:
            raise HeadreuseError(
                f"{self.task}: what is asked for compares each prompt with a corrupted partner of as many tokens, and "
                "there are none; give the column `corrupted`, or ask for mean or zero ablation"
            )
        return self.corrupted

    @property
    def is_aligned(self) -> bool:
        """Whether every position has one role in all prompts."""
        return bool((self.roles == self.roles[0]).all())

    @property
    def position(self) -> Position:
        """How positions of different prompts correspond: the finest of `Position` that fits."""
        if self.is_aligned:
            return "each"
        return "role" if self.role_names else "pooled"

    @property
    def alignment(self) -> str:
        """The same in words, for a report."""
        spans = f"by the spans {', '.join(self.role_names)}"
        return {"each": "position by position", "role": spans, "pooled": "pooled over positions"}[self.position]

    @property
    def layout(self) -> tuple[str, ...]:
        """The name of each position's role; prompts that are not aligned are refused."""
        different = (self.roles != self.roles[0]).any(axis=0)
        if different.any():
            position = int(different.argmax())
            names = sorted({self.role_name(role) for role in self.roles[:, position]})
            raise HeadreuseError(
                f"{self.task}: position {position} is {' in one prompt and '.join(names)} in another, so a mean per "
                "position would mix them; give prompts of one layout"
            )
        return tuple(self.role_name(role) for role in self.roles[0])

    def role_name(self, role: int) -> str:
        """The name of a role, or of the span that it stands for."""
        return Role(role).name if role < len(Role) else self.role_names[role - len(Role)]


@dataclass(frozen=True, repr=False)
class Checkpoint(Shown):
    """One saved training step of a model."""

    path: Path
    step: int
    fingerprint: str
    """SHA-256 of weights, configuration and tokenizer, or a commit hash: what measurements of it are kept under."""
    tokens: int | None = None
    """Seen in training, where its name says so."""


@dataclass(frozen=True, repr=False)
class Evaluation(Shown):
    """Per-example outcomes of one task at one length."""

    task: str
    length: int
    outcomes: Mapping[str, Float[np.ndarray, "prompt"]]
    """One array for each name in `OUTCOMES`."""

    @property
    def accuracy(self) -> float:
        """Fraction of examples whose whole answer is right."""
        return float(self.outcomes["exact_match"].mean())


@dataclass(frozen=True, repr=False)
class HeadScores(Drawn):
    """How much each head matters for one task at one checkpoint, example by example."""

    task: str
    length: int
    method: str
    """The score's name, for example `mean_ablation`."""
    baseline: Mapping[str, Float[np.ndarray, "prompt"]]
    """Outcomes of the untouched model, by name."""
    effects: Mapping[str, Float[np.ndarray, "layer head prompt"]]
    """Baseline outcome minus the outcome under the intervention, by name: positive where the head helps.

    Of a score of patterns `ATTENTION` alone: no head was intervened on, and what it shows is where the head looks. Its
    baseline is that of a head which looks at all positions alike.
    """
    whole_layers: Mapping[str, Float[np.ndarray, "layer _first_prompts"]] | None = field(default=None, kw_only=True)
    """True effects of all heads of a layer at once, on the first prompts or all, where `effects` are estimates that
    should add up to them."""
    errors: Mapping[str, Float[np.ndarray, "layer head"]] | None = field(default=None, kw_only=True)
    """Standard errors of the mean effects, where head subsets were drawn; None where nothing was.

    They come from the draw of subsets alone: other prompts are another matter.
    """
    heads: tuple[int, ...] | None = field(default=None, kw_only=True)
    """The heads of each layer that the task may use; None for all. The others have no effect and are no candidates."""

    def completeness_error(self, outcome: str) -> float:
        """How far estimates are from adding up: Σ |estimated − true| / Σ |true| over layers, of means over examples.

        0 where they do in each layer, 1 where they are all 0; NaN where effects are no estimates. Only within a layer
        should they add up: patching a head also changes what later layers write, and theirs is counted again there.
        """
        if self.whole_layers is None:
            return np.nan
        together = self.whole_layers[outcome]
        true = together.mean(axis=-1, dtype=np.float64)
        estimated = self.effects[outcome][..., : together.shape[-1]].sum(axis=1, dtype=np.float64).mean(axis=-1)
        size = float(np.abs(true).sum())
        return float(np.abs(estimated - true).sum()) / size if size else np.nan

    def effect(self, outcome: str) -> Float[np.ndarray, "layer head"]:
        """Mean effect of each head over the examples; positive where the head helps the task."""
        return self.effects[outcome].mean(axis=-1)

    def _repr_svg_(self) -> str:
        n_prompts = next(iter(self.effects.values())).shape[-1]
        title = f"{self.task} · {self.method} · {_length_in_words(self.length)} · {n_prompts} prompts"
        effects = {outcome: self.effect(outcome) for outcome in self.effects}
        return scores_svg(title, effects, is_share=ATTENTION in effects, heads=self.heads)

    def confined_to(self, heads: tuple[int, ...] | None) -> "HeadScores":
        """These scores of a task that may use only some heads of each layer; the effect of the others is exactly 0."""
        if heads is None:
            return self
        others = [head for head in range(next(iter(self.effects.values())).shape[1]) if head not in heads]

        def silenced(of_heads: np.ndarray) -> np.ndarray:
            of_heads = of_heads.copy()
            of_heads[:, others] = 0
            return of_heads

        return self._changed(silenced, heads)

    def among(self, heads: Sequence[int]) -> "HeadScores":
        """The scores of some heads of each layer, as if there were no others; `heads` counts among these."""
        usable = heads if self.heads is None else self.heads
        places = tuple(place for place, head in enumerate(heads) if head in usable)
        return self._changed(lambda of_heads: of_heads[:, list(heads)], places)

    def _changed(self, change: Callable[[np.ndarray], np.ndarray], heads: tuple[int, ...]) -> "HeadScores":
        effects = {outcome: change(of_heads) for outcome, of_heads in self.effects.items()}
        errors = self.errors and {outcome: change(of_heads) for outcome, of_heads in self.errors.items()}
        return replace(self, effects=effects, errors=errors, heads=heads)

    def top(self, k: int, outcome: str = "log_prob") -> frozenset[Head]:
        """The `k` heads whose mean effect is largest; log-probability has no floor and no ceiling to hide them."""
        effect = self.effect(outcome)
        n_usable = effect.size
        if self.heads is not None:
            n_usable = len(effect) * len(self.heads)
            effect = np.where(np.isin(np.arange(effect.shape[1]), self.heads), effect, -np.inf)
        order = np.argsort(-effect, axis=None, kind="stable")[: min(k, n_usable)]
        return frozenset(Head(*map(int, np.unravel_index(index, effect.shape))) for index in order)

    def to_xarray(self) -> "xr.Dataset":
        """The effects as one labelled variable per outcome, dimensions layer, head, example."""
        # Slow to import, and needed here alone.
        import xarray as xr

        dims = ("layer", "head", "example")
        shape = next(iter(self.effects.values())).shape
        variables = {outcome: (dims, values) for outcome, values in self.effects.items()}
        coords = {dim: np.arange(size) for dim, size in zip(dims, shape, strict=True)}
        return xr.Dataset(variables, coords, {"task": self.task, "length": self.length, "method": self.method})

    def to_frame(self) -> pd.DataFrame:
        """One row per outcome and head: task, length, method, outcome, layer, head, baseline, effect.

        Estimates have their `completeness_error` in a column more.
        """
        rows = [
            (self.task, self.length, self.method, outcome, layer, head, self.baseline[outcome].mean(), value)
            for outcome in self.effects
            for (layer, head), value in np.ndenumerate(self.effect(outcome))
        ]
        columns = ["task", "length", "method", "outcome", "layer", "head", "baseline", "effect"]
        frame = pd.DataFrame(rows, columns=columns)
        if self.whole_layers is None:
            return frame
        return frame.assign(completeness_error=frame["outcome"].map(self.completeness_error))


@dataclass(frozen=True, repr=False)
class Synergy(Drawn):
    """What ablating two heads at once costs one task beyond what each costs alone, at one checkpoint."""

    task: str
    length: int
    heads: tuple[Head, ...]
    """In the order of rows and columns."""
    values: Mapping[str, Float[np.ndarray, "all_heads all_heads"]]
    """Means over the examples, by outcome; symmetric, with NaN on the diagonal.

    Positive where the two stand in for each other, negative where one is nothing without the other.
    """
    errors: Mapping[str, Float[np.ndarray, "all_heads all_heads"]]
    """Standard errors of these means: over the examples, and of the subsets of other heads where they were drawn."""

    def _repr_svg_(self) -> str:
        title = f"{self.task} · synergy of two heads · {_length_in_words(self.length)}"
        return pairs_svg(title, self.values, list(map(str, self.heads)))


@dataclass(frozen=True, repr=False)
class MeanPattern(Drawn):
    """Attention patterns of every head, averaged over prompts of one layout."""

    task: str
    length: int
    n_prompts: int
    layout: tuple[str, ...]
    """Name of the `Role` of each position."""
    pattern: Float[np.ndarray, "layer head query key"]
    """Each row sums to 1."""
    heads: tuple[int, ...] | None = None
    """The heads of each layer that the task may use; None for all."""

    def _repr_svg_(self) -> str:
        title = f"{self.task} · attention · {_length_in_words(self.length)} · mean of {self.n_prompts} prompts"
        return patterns_svg(title, self.pattern, self.layout, self.heads)


def _length_in_words(length: int) -> str:
    return f"length {length}" if length else "all lengths"
