"""Which subsets of heads are ablated, and what their outcomes say about single heads: all subsets, or drawn ones.

Subsets are rows of booleans, True where a head is ablated. Drawn ones come in pairs, in which what is in one half is
mostly out of the other: whatever two heads do together then weighs little or nothing in the estimates of single heads.
"""

from dataclasses import dataclass
from functools import cached_property
from math import factorial

import numpy as np
from jaxtyping import Bool, Float

from headreuse.errors import HeadreuseError
from headreuse.study.subsets import PAIR

Subsets = Bool[np.ndarray, "subset all_heads"]

SINGULAR = 1e-9
"""What is left of a pair's residuals is at most 1; where the fit needs the pair it is 0 but for rounding."""
MORE = "give a larger n_subsets (`measures.subsets` in a study), or a share of ablated heads that is closer to a half"


def require_share(q: float) -> None:
    """Refuse what is no probability, and 0 and 1, at which nothing is drawn."""
    if not 0 < q < 1:
        raise HeadreuseError(f"q={q} is no share of ablated heads; give a number between 0 and 1, 0.5 for example")


def all_subsets(n_heads: int) -> Subsets:
    """Every subset, first the empty one, last all heads."""
    numbers = np.arange(2**n_heads)[:, None]
    return (numbers >> np.arange(n_heads)[::-1] & 1).astype(bool)


def banzhaf_weights(n_heads: int, q: float) -> Float[np.ndarray, "all_heads subset"]:
    """A head's effect is this times the outcomes of all subsets: others are ablated with probability `q`, each alone.

    The Banzhaf value (Banzhaf 1965) for q = 1/2, the weighted one of Marichal and Mathonet (2011) for others.
    """
    ablated = all_subsets(n_heads)
    n_ablated = ablated.sum(axis=1)[:, None] - ablated
    others = q**n_ablated * (1 - q) ** (n_heads - 1 - n_ablated)
    return np.where(ablated, -others, others).T


def shapley_weights(n_heads: int) -> Float[np.ndarray, "all_heads subset"]:
    """The same where `q` is itself drawn evenly from 0 to 1: |A|! (n − |A| − 1)! / n! for the other heads A."""
    ablated = all_subsets(n_heads)
    orders = [factorial(k) * factorial(n_heads - 1 - k) / factorial(n_heads) for k in range(n_heads)]
    others = np.array(orders)[ablated.sum(axis=1)[:, None] - ablated]
    return np.where(ablated, -others, others).T


def drawn_evenly(n_pairs: int, n_heads: int, q: float, generator: np.random.Generator) -> Subsets:
    """Pairs of subsets with each head ablated with probability `q`; the other half holds what is likeliest missing.

    For q = 1/2 that is the complement. More pairs of an equal generator begin with the same ones.
    """
    chance = generator.random((n_pairs, n_heads))
    return np.stack([chance < q, chance > 1 - q], axis=1).reshape(-1, n_heads)


def drawn_by_size(n_pairs: int, n_heads: int, generator: np.random.Generator) -> Subsets:
    """Pairs of a subset and its complement, sizes drawn by Shapley's kernel 1 / (k (n − k)), heads evenly.

    Lundberg and Lee 2017 (arXiv 1705.07874), in pairs as Covert and Lee 2021 (arXiv 2012.01536) draw them. Neither no
    head nor all heads are drawn.
    """
    sizes = np.arange(1, n_heads)
    kernel = 1 / (sizes * (n_heads - sizes))
    chance = generator.random((n_pairs, 1 + n_heads))
    # Rounding must not make the last edge less than what is drawn.
    edges = np.append(np.cumsum(kernel)[:-1] / kernel.sum(), 1.0)
    size = sizes[np.searchsorted(edges, chance[:, 0], side="right")]
    rank = chance[:, 1:].argsort(axis=1).argsort(axis=1)
    chosen = rank < size[:, None]
    return np.stack([chosen, ~chosen], axis=1).reshape(-1, n_heads)


@dataclass(frozen=True)
class Regression:
    """Least squares of what drawn subsets lose on the heads that they hold: each subset counts for every head."""

    design: Float[np.ndarray, "subset parameter"]
    """Pairs of rows belong together."""
    to_heads: Float[np.ndarray, "all_heads parameter"]
    """From parameters to effects."""

    @classmethod
    def free(cls, ablated: Subsets, q: float) -> "Regression":
        """Any effects, and a constant: as subsets grow in number the effects become weighted Banzhaf values.

        They are the best additive fit under the probabilities that subsets are drawn with (Marichal and Mathonet 2011).
        """
        n_heads = ablated.shape[1]
        design = np.column_stack([np.ones(len(ablated)), ablated - q])
        return cls(design, np.eye(n_heads, 1 + n_heads, 1))

    @classmethod
    def adding_to_zero(cls, ablated: Subsets) -> "Regression":
        """Effects that add up to 0: what is left of Shapley values when the even share of the whole is taken off."""
        n_heads = ablated.shape[1]
        # Heads against the last one: any numbers here are effects that add up to 0.
        to_heads = np.vstack([np.eye(n_heads - 1), -np.ones((1, n_heads - 1))])
        return cls(ablated @ to_heads, to_heads)

    def __post_init__(self) -> None:
        """Refuse subsets in which some head is always ablated, or never, or always with another.

        Also where that is so of all but one pair of subsets, since then there is no standard error.
        """
        subsets, heads = f"{len(self.design)} drawn subsets", f"{len(self.to_heads)} heads"
        if np.linalg.matrix_rank(self.design) < self.design.shape[1]:
            raise HeadreuseError(f"{subsets} do not tell the {heads} apart; {MORE}")
        if np.linalg.eigvalsh(self._own).min() < SINGULAR:
            raise HeadreuseError(
                f"{subsets} tell the {heads} apart by one pair of subsets alone, so that there is no standard error; "
                f"{MORE}"
            )

    @cached_property
    def _inverse(self) -> Float[np.ndarray, "parameter parameter"]:
        return np.linalg.inv(self.design.T @ self.design)

    @cached_property
    def _pairs(self) -> Float[np.ndarray, "pair 2 parameter"]:
        return self.design.reshape(-1, PAIR, self.design.shape[1])

    @cached_property
    def _own(self) -> Float[np.ndarray, "pair 2 2"]:
        """What of a pair's residuals is left where the fit knows the pair: singular where the fit needs it."""
        return np.eye(PAIR) - self._pairs @ self._inverse @ self._pairs.transpose(0, 2, 1)

    def effects(self, lost: Float[np.ndarray, "subset prompt"]) -> Float[np.ndarray, "all_heads prompt"]:
        """Of each head, prompt by prompt."""
        return self.to_heads @ (self._inverse @ (self.design.T @ lost))

    def residuals(self, lost: Float[np.ndarray, "subset *prompt"]) -> Float[np.ndarray, "subset *prompt"]:
        """What the effects leave unexplained."""
        return lost - self.design @ (self._inverse @ (self.design.T @ lost))

    def errors(self, lost: Float[np.ndarray, "subset"]) -> Float[np.ndarray, "all_heads"]:
        """Standard errors of the effects that come from drawing, by leaving out each pair in turn (jackknife)."""
        residuals = self.residuals(lost).reshape(-1, PAIR, 1)
        # What leaving a pair out does to the parameters; no fit is done again.
        shifts = (self._inverse @ self._pairs.transpose(0, 2, 1) @ np.linalg.solve(self._own, residuals))[..., 0]
        of_heads = shifts @ self.to_heads.T
        n_pairs = len(self._pairs)
        spread = np.square(of_heads - of_heads.mean(axis=0)).sum(axis=0)
        return np.sqrt((n_pairs - 1) / n_pairs * spread)
