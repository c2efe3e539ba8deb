"""Do two heads do more together than each by itself: which head backs up which?

The module's name begins with `_` because what it gives is head × head, no score of single heads.
"""

import numpy as np
import torch
from jaxtyping import Float

from headreuse.interventions.replacements import replacement_for
from headreuse.interventions.subject import Subject, prepare
from headreuse.models.anatomy import Decoder
from headreuse.records import OUTCOMES, Head, Position, Prompts, Synergy
from headreuse.scores._ablation import longest
from headreuse.scores._coalitions import Sampling, lost_without
from headreuse.scores._subsets import Regression, Subsets, all_subsets, drawn_evenly, require_share
from headreuse.study.subsets import PAIR

Lost = Float[np.ndarray, "subset prompt"]
Square = Float[np.ndarray, "all_heads all_heads"]


def synergy(
    model: Decoder,
    prompts: Prompts,
    *,
    q: float = 0.5,
    n_subsets: int | None = None,
    seed: int = 0,
    reference: Prompts | None = None,
    position: Position = "each",
    memory_budget: int | None = None,
    dtype: torch.dtype | None = None,
) -> Synergy:
    """What ablating two heads costs beyond what each costs alone, mean over ablations of the others as in `banzhaf`.

    Positive where either can stand in for the other: without both much is lost, without one little. Negative where
    one is nothing without the other, as in a chain: what the first loss costs, the second need not cost again. The
    Banzhaf interaction index (Grabisch and Roubens 1999) with the sign of effects turned into that of losses.

    Args:
        q: See `banzhaf`.
        n_subsets: See `banzhaf`.
        seed: See `banzhaf`.
        reference: See `banzhaf`.
        position: See `mean_ablation`.
        memory_budget: See `prepare`.
        dtype: See `prepare`.
    """
    require_share(q)
    subject = prepare(model, prompts, memory_budget=memory_budget, dtype=dtype)
    mean = replacement_for(subject, "mean", position, reference=reference)
    n_layers, n_heads = subject.anatomy.n_layers, subject.anatomy.n_heads
    n_drawn = Sampling(n_subsets).first(n_layers * n_heads)
    subsets = _subsets(subject, n_drawn, q=q, seed=seed)
    lost = lost_without(subject, subsets, mean)
    of_pairs = _exact if n_drawn is None else _drawn
    found = {name: of_pairs(subsets, lost[name], q) for name in OUTCOMES}
    heads = tuple(Head(layer, head) for layer in range(n_layers) for head in range(n_heads))
    values, errors = ({name: pair[part] for name, pair in found.items()} for part in (0, 1))
    return Synergy(prompts.task, longest(subject), heads, values, errors)


def _subsets(subject: Subject, n_drawn: int | None, *, q: float, seed: int) -> Subsets:
    """Those of `banzhaf` with the same settings."""
    n_heads = subject.anatomy.n_layers * subject.anatomy.n_heads
    if n_drawn is None:
        return all_subsets(n_heads)
    return drawn_evenly(n_drawn // PAIR, n_heads, q, np.random.default_rng([seed, subject.anatomy.n_layers, n_heads]))


def _exact(subsets: Subsets, lost: Lost, q: float) -> tuple[Square, Square]:
    """Values of all pairs and their standard errors over prompts, from all subsets."""
    first, second = _pairs(subsets.shape[1])
    n_others = subsets.sum(axis=1)[:, None] - subsets[:, first] - subsets[:, second].astype(int)
    chance = q**n_others * (1 - q) ** (subsets.shape[1] - 2 - n_others)
    weights = np.where(subsets[:, first] == subsets[:, second], chance, -chance)
    by_prompt = weights.T @ lost
    return _square(by_prompt.mean(axis=1), subsets.shape[1]), _square(_over_prompts(by_prompt), subsets.shape[1])


def _drawn(subsets: Subsets, lost: Lost, q: float) -> tuple[Square, Square]:
    """The same from drawn subsets: what single heads leave unexplained, regressed on the product of two heads.

    Under the probabilities that subsets are drawn with, products of two heads are uncorrelated with single heads and
    with each other, so each can be fitted by itself. The errors are those of drawing too.
    """
    first, second = _pairs(subsets.shape[1])
    regression = Regression.free(subsets, q)
    products = (subsets[:, first] - q) * (subsets[:, second] - q)
    beyond = regression.residuals(products)
    sizes = (beyond * products).sum(axis=0)
    by_prompt = (beyond.T @ lost) / sizes[:, None]
    values = by_prompt.mean(axis=1)
    left = regression.residuals(lost.mean(axis=1))[:, None] - values * beyond
    shift = _of_each_pair_of_subsets(beyond * left) / (sizes - _of_each_pair_of_subsets(beyond**2))
    n_drawn = len(shift)
    # As in `Regression.errors`, but of what single heads leave over, which has fewer degrees of freedom.
    of_drawing = np.square(shift).sum(axis=0) * n_drawn / max(1, n_drawn - regression.design.shape[1])
    errors = np.sqrt(of_drawing + _over_prompts(by_prompt) ** 2)
    return _square(values, subsets.shape[1]), _square(errors, subsets.shape[1])


def _of_each_pair_of_subsets(rows: Float[np.ndarray, "subset pair"]) -> Float[np.ndarray, "_two_subsets pair"]:
    return rows.reshape(-1, PAIR, rows.shape[1]).sum(axis=1)


def _pairs(n_heads: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(n_heads, 1)


def _over_prompts(by_prompt: Float[np.ndarray, "pair prompt"]) -> Float[np.ndarray, "pair"]:
    """Standard errors of means; NaN of one prompt alone."""
    n_prompts = by_prompt.shape[1]
    if n_prompts < 2:
        return np.full(len(by_prompt), np.nan)
    return by_prompt.std(axis=1, ddof=1) / np.sqrt(n_prompts)


def _square(of_pairs: Float[np.ndarray, "pair"], n_heads: int) -> Square:
    """Symmetric; NaN on the diagonal."""
    square = np.full((n_heads, n_heads), np.nan)
    first, second = _pairs(n_heads)
    square[first, second] = square[second, first] = of_pairs
    return square
