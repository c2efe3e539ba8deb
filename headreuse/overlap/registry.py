"""What an overlap metric is, and how one is added: a function of two prepared maps under `@overlap_metric`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from headreuse.overlap.chance import Chance
from headreuse.registry import Registry

Array = np.ndarray
Compare = Callable[[Array, Array], Array]
Prepare = Callable[[Array, int], Array]
"""Brings maps (`... head`) to the form that is compared, once for every map however many it is compared with."""


@dataclass(frozen=True)
class OverlapMetric:
    """How alike two maps of head effects are. All of it broadcasts over leading dimensions."""

    name: str
    compare: Compare
    """Of two prepared maps `... head`, one number each."""
    prepare: Prepare
    distance: bool
    """Whether larger means less alike; for every other metric larger means more alike."""
    low: float
    """The least value that it can take."""
    high: float
    symmetric: bool
    absolute: bool
    """Whether it looks at the size of effects alone; otherwise a head that harms differs from one that helps."""
    over_heads: bool
    """Whether a prepared map still has one entry per head, in order, so that permuting it permutes heads."""
    correlation_like: bool
    """Whether sampling noise attenuates it as it does a correlation, so that Spearman–Brown applies."""
    exact_chance: Callable[[Array, Array], Chance] | None
    """Its chance level and p from two prepared maps (`layer head`), where that needs no rearranging."""

    def __call__(
        self, a: Float[np.ndarray, "*batch layer head"], b: Float[np.ndarray, "*batch layer head"], *, k: int = 3
    ) -> Float[np.ndarray, "*batch"]:
        """The metric of maps `a` and `b`; `k` is the size of top-k sets and nothing to other metrics."""
        return self.compare(self.prepare(flat(a), k), self.prepare(flat(b), k))

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return (self.compare.__doc__ or "").strip().splitlines()[0]


OVERLAP_METRICS: Registry[OverlapMetric] = Registry("overlap metric")


def flat(maps: Float[np.ndarray, "*batch layer head"]) -> Float[np.ndarray, "*batch layer*head"]:
    """Maps with their layers laid end to end."""
    return maps.reshape(*maps.shape[:-2], -1)


def overlap_metric(
    *,
    of: Prepare,
    low: float = 0.0,
    high: float = 1.0,
    distance: bool = False,
    symmetric: bool = True,
    over_heads: bool = True,
    correlation_like: bool = False,
    exact_chance: Callable[[Array, Array], Chance] | None = None,
    absolute_too: bool = True,
) -> Callable[[Compare], Compare]:
    """Register a function of two maps, each prepared by `of`, under its name.

    With `absolute_too` also as `absolute_<name>`, the same of the effects' absolute values: signed and absolute
    stay apart under their own names.
    """

    def register(compare: Compare) -> Compare:
        name = compare.__name__

        def of_sizes(maps: Array, k: int) -> Array:
            return of(np.abs(maps), k)

        forms = [(name, of, False)] + ([(f"absolute_{name}", of_sizes, True)] if absolute_too else [])
        for form, prepare, absolute in forms:
            metric = OverlapMetric(
                name=form,
                compare=compare,
                prepare=prepare,
                distance=distance,
                low=low,
                high=high,
                symmetric=symmetric,
                absolute=absolute,
                over_heads=over_heads,
                correlation_like=correlation_like,
                exact_chance=exact_chance,
            )
            OVERLAP_METRICS.add(form, metric)
        return compare

    return register
