"""What does a head do on average, whichever other heads are gone? Where heads back each other up, each has its due."""

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
from headreuse.scores._subsets import Regression, Subsets, banzhaf_weights, drawn_evenly, require_share
from headreuse.study.subsets import PAIR


@score(has_position=True)
def banzhaf(
    model: Decoder,
    prompts: Prompts,
    *,
    q: float = 0.5,
    n_subsets: int | None = None,
    until_error: float | None = None,
    outcome: str = "log_prob",
    seed: int = 0,
    reference: Prompts | None = None,
    position: Position = "each",
    memory_budget: int | None = None,
    dtype: torch.dtype | None = None,
) -> HeadScores:
    """Mean of what a head's ablation costs, over ablations of each other head with probability `q`.

    An ablated head writes its mean over all prompts, taken from the untouched model. The Banzhaf value of cooperative
    games, with heads as players; where subsets are drawn, each is used for every head, as Wang and Jia 2023 (arXiv
    2205.15466) do, by least squares instead of differences of means. `errors` are then the standard errors of the mean
    effects; they say nothing about prompts not drawn.

    Args:
        q: Share of the other heads that is gone. Of a deep model few heads may be missing before nothing works, so take
            less than a half there.
        n_subsets: How many subsets of heads are drawn; by default all are taken where they are at most 4096, else 12
            for each head. As many as there are, or more, take them all too.
        until_error: Draw on until every head's standard error is at most this, up to 16,384 subsets.
        outcome: Whose standard errors these are.
        seed: Settles with the model's shape alone which subsets are drawn, so that two tasks have the same.
        reference: Take the mean over these held-out prompts instead.
        position: See `mean_ablation`.
        memory_budget: See `prepare`.
        dtype: See `prepare`.
    """
    require_share(q)
    sampling = Sampling(n_subsets, until_error, outcome)
    subject = prepare(model, prompts, memory_budget=memory_budget, dtype=dtype)
    mean = replacement_for(subject, "mean", position, reference=reference)
    return coalition_scores(subject, "banzhaf", mean, Banzhaf(q, seed, subject.anatomy.n_layers), sampling)


@dataclass(frozen=True)
class Banzhaf:
    """The weighted Banzhaf value."""

    q: float
    seed: int
    n_layers: int

    def weights(self, n_heads: int) -> Float[np.ndarray, "all_heads subset"]:
        """See `Value`."""
        return banzhaf_weights(n_heads, self.q)

    def draw(self, n_heads: int, n_subsets: int) -> Subsets:
        """See `Value`."""
        generator = np.random.default_rng([self.seed, self.n_layers, n_heads])
        return drawn_evenly(n_subsets // PAIR, n_heads, self.q, generator)

    def estimated(
        self, ablated: Subsets, lost: Float[np.ndarray, "subset prompt"], whole: Float[np.ndarray, "prompt"]
    ) -> Estimated:
        """See `Value`. The whole is far from where subsets are drawn and is not used."""
        regression = Regression.free(ablated, self.q)
        return Estimated(regression.effects(lost), regression.errors(lost.mean(axis=1)))
