"""How much of what all heads do together is due to each? Shares that add up to the whole, prompt by prompt."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from headreuse.interventions.replacements import replacement_for
from headreuse.interventions.subject import prepare
from headreuse.models.anatomy import Decoder
from headreuse.records import HeadScores, Position, Prompts
from headreuse.scores._coalitions import Estimated, Sampling, coalition_scores
from headreuse.scores._registry import score
from headreuse.scores._subsets import Regression, Subsets, drawn_by_size, shapley_weights
from headreuse.study.subsets import PAIR


@score(has_position=True)
def shapley(
    model: Decoder,
    prompts: Prompts,
    *,
    n_subsets: int | None = None,
    until_error: float | None = None,
    outcome: str = "log_prob",
    seed: int = 0,
    reference: Prompts | None = None,
    position: Position = "each",
    memory_budget: int | None = None,
    dtype: torch.dtype | None = None,
) -> HeadScores:
    """Mean of what a head's ablation costs, over all orders in which heads can be ablated one after the other.

    The effects of all heads add up to the outcome of the untouched model minus the outcome without any head, also where
    subsets are drawn. An ablated head writes its mean over all prompts, taken from the untouched model. The Shapley
    value, of heads as in Held and Yang 2022 (arXiv 2210.05709); drawn subsets give it by least squares (Lundberg and
    Lee 2017, arXiv 1705.07874), with standard errors of the mean effects in `errors`.

    Args:
        n_subsets: See `banzhaf`.
        until_error: See `banzhaf`.
        outcome: See `banzhaf`.
        seed: See `banzhaf`.
        reference: Take the mean over these held-out prompts instead.
        position: See `mean_ablation`.
        memory_budget: See `prepare`.
        dtype: See `prepare`.
    """
    sampling = Sampling(n_subsets, until_error, outcome)
    subject = prepare(model, prompts, memory_budget=memory_budget, dtype=dtype)
    mean = replacement_for(subject, "mean", position, reference=reference)
    return coalition_scores(subject, "shapley", mean, Shapley(seed, subject.anatomy.n_layers), sampling)


@dataclass(frozen=True)
class Shapley:
    """The Shapley value."""

    seed: int
    n_layers: int

    def weights(self, n_heads: int) -> Float[np.ndarray, "all_heads subset"]:
        """See `Value`."""
        return shapley_weights(n_heads)

    def draw(self, n_heads: int, n_subsets: int) -> Subsets:
        """See `Value`."""
        generator = np.random.default_rng([self.seed, self.n_layers, n_heads])
        return drawn_by_size(n_subsets // PAIR, n_heads, generator)

    def estimated(
        self, ablated: Subsets, lost: Float[np.ndarray, "subset prompt"], whole: Float[np.ndarray, "prompt"]
    ) -> Estimated:
        """See `Value`: an even share of the whole each, and what the subsets say beyond that."""
        regression = Regression.adding_to_zero(ablated)
        beyond = lost - ablated.mean(axis=1)[:, None] * whole
        return Estimated(whole / ablated.shape[1] + regression.effects(beyond), regression.errors(beyond.mean(axis=1)))
