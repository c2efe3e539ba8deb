"""How much overlap would chance give? Heads permuted within layers, and over all layers.

Heads of different layers are not exchangeable, since late layers often matter more to every task. So the chance level
to use permutes heads within layers; the one over all layers is only for comparison.

A p against chance says that two maps put their weight on the same heads. It says nothing about transfer.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product
from math import factorial

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

N_PERMUTATIONS = 1000
EXACT_UP_TO = 5000
"""Where there are at most this many permutations, all of them are used."""
GREATEST_LEAST_P = 0.05
"""Where even the most likeness would have a larger p than this, no p is given: no outcome could be told from chance."""
ROUNDING = 1e-9
"""Numbers closer than this, relative to their size, differ by rounding alone."""


@dataclass(frozen=True)
class Shuffles:
    """Rearrangements of heads, each a permutation of the heads of all layers end to end."""

    orders: Int[np.ndarray, "shuffle head"]
    exact: bool
    """Whether these are all rearrangements, the identity among them; otherwise they are a random sample."""


@dataclass(frozen=True)
class Chance:
    """What a metric is by chance."""

    level: float
    """Its mean over the rearrangements."""
    p: float
    """One-sided: how often chance gives at least as much likeness as there is; NaN where `least_p` exceeds 5 %."""
    least_p: float
    """The least that p could be: how often chance gives the most likeness that it can give."""

    @property
    def note(self) -> str:
        """Why there is no p, in words; empty where there is one, and where the value itself is undefined."""
        return why_no_p(self.least_p)


UNDEFINED = Chance(np.nan, np.nan, np.nan)
"""Of a value that is undefined."""


def shuffles_within_layers(
    n_layers: int, n_heads: int, generator: np.random.Generator, *, n_permutations: int = N_PERMUTATIONS
) -> Shuffles:
    """Rearrangements that keep every head in its layer; all of them where they are few."""
    offsets = np.arange(n_layers) * n_heads
    if _at_most(factorial(n_heads), n_layers, EXACT_UP_TO):
        per_layer = np.array(list(permutations(range(n_heads))))
        chosen = np.array(list(product(range(len(per_layer)), repeat=n_layers)))
        orders = per_layer[chosen] + offsets[:, None]
        return Shuffles(orders.reshape(len(chosen), -1), exact=True)
    heads = np.tile(np.arange(n_heads), (n_permutations, n_layers, 1))
    orders = generator.permuted(heads, axis=-1) + offsets[:, None]
    return Shuffles(orders.reshape(n_permutations, -1), exact=False)


def shuffles_over_all_layers(
    n_layers: int, n_heads: int, generator: np.random.Generator, *, n_permutations: int = N_PERMUTATIONS
) -> Shuffles:
    """Rearrangements that move heads between layers too."""
    return shuffles_within_layers(1, n_layers * n_heads, generator, n_permutations=n_permutations)


def chance_from(null: Float[np.ndarray, "shuffle"], value: float, *, distance: bool, exact: bool) -> Chance:
    """Level and one-sided p of a metric's `value` from what it is under each rearrangement; NaN where undefined."""
    if np.isnan(value) or np.isnan(null).any():
        return UNDEFINED
    # Where all rearrangements are there, the true one is among them, so their share is p. A sample of them need not
    # hold the true one: it is counted once more, without which p could be 0 (Phipson & Smyth 2010).
    found = null if exact else np.append(null, value)
    p, least_p = p_among(-found, -value) if distance else p_among(found, value)
    return Chance(float(null.mean()), p, least_p)


def p_among(found: Float[np.ndarray, "_"], value: float) -> tuple[float, float]:
    """One-sided p of `value`, which is one of `found`, and the least that p could be; p is NaN where that exceeds 5 %.

    The least depends on `found` alone, whichever of them is the true one, so to withhold p by it does not bias p.
    """
    # The slack makes what gives the same value up to rounding count as at least as large.
    slack = ROUNDING * max(1.0, abs(value))
    least_p = float(np.mean(found >= found.max() - slack))
    return _where_possible(float(np.mean(found >= value - slack)), least_p), least_p


def why_no_p(least_p: float) -> str:
    """Why no p is given, in words; empty where one is."""
    if not least_p > GREATEST_LEAST_P + ROUNDING:
        return ""
    return f"no p: there are so few ways to arrange such heads that it could not be below {least_p:.2g}"


def shared_heads(a: Bool[np.ndarray, "layer head"], b: Bool[np.ndarray, "layer head"]) -> Float[np.ndarray, "n_shared"]:
    """Probability of each number of shared heads of two sets under permutations within layers, exact.

    In each layer the number is hypergeometric, and the layers are independent: the distribution of their sum is the
    convolution of theirs. Sets given as one layer of all heads have the plain hypergeometric distribution.
    """
    total = np.ones(1)
    for n_a, n_b in zip(a.sum(axis=-1), b.sum(axis=-1), strict=True):
        total = np.convolve(total, _shared_in_layer(a.shape[-1], int(n_a), int(n_b)))
    return total


def jaccard_chance(a: Bool[np.ndarray, "layer head"], b: Bool[np.ndarray, "layer head"]) -> Chance:
    """Exact expected Jaccard and p of two sets of heads under permutations within layers; NaN for two empty sets."""
    n_a, n_b, n_shared = int(a.sum()), int(b.sum()), int((a & b).sum())
    if n_a + n_b == 0:
        return UNDEFINED
    probability = shared_heads(a, b)
    shared = np.arange(len(probability))
    level = float(probability @ (shared / (n_a + n_b - shared)))
    p, least_p = (min(1.0, float(probability[least:].sum())) for least in (n_shared, len(probability) - 1))
    return Chance(level, _where_possible(p, least_p), least_p)


def _where_possible(p: float, least_p: float) -> float:
    return np.nan if why_no_p(least_p) else p


@lru_cache
def _shared_in_layer(n_heads: int, n_a: int, n_b: int) -> Float[np.ndarray, "n_shared"]:
    return np.asarray(stats.hypergeom.pmf(np.arange(min(n_a, n_b) + 1), n_heads, n_a, n_b))


def _at_most(base: int, exponent: int, limit: int) -> bool:
    return all(base ** (i + 1) <= limit for i in range(exponent))
