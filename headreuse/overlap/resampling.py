"""How far would the maps move with other prompts? Maps without each group of prompts, and maps of half of them.

Both are weights of examples, so that all maps of a task are one matrix product.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

N_GROUPS = 32
"""Groups of prompts that are left out in turn. Fewer make the error uncertain; a rank or a set hardly moves where too
few prompts are left out."""
N_SPLITS = 50

Effects = Float[np.ndarray, "layer head prompt"]


@dataclass(frozen=True)
class Weights:
    """Weights of examples; each row sums to 1."""

    without: Float[np.ndarray, "group prompt"]
    """All examples but one group, each group once; examples are put into groups at random."""
    first_half: Float[np.ndarray, "split prompt"]
    second_half: Float[np.ndarray, "split prompt"]
    """The other examples; one more than in `first_half` where their number is odd."""


@dataclass(frozen=True)
class ResampledMaps:
    """One task's map of mean effects, and what it becomes with other prompts (layers end to end)."""

    point: Float[np.ndarray, "layer head"]
    without: Float[np.ndarray, "group layer*head"]
    first_half: Float[np.ndarray, "split layer*head"]
    second_half: Float[np.ndarray, "split layer*head"]
    n_moved: int
    """Prompts in which the head with the largest mean effect, of either sign, has any effect."""


def draw_weights(
    n_examples: int, generator: np.random.Generator, *, n_groups: int = N_GROUPS, n_splits: int = N_SPLITS
) -> Weights:
    """Weights that leave out groups, and for random halves, of `n_examples` prompts; no more groups than prompts.

    Two tasks with equally many examples share them. Where their prompts are paired, what is left out must be. Where
    they are not, sharing adds the sample covariance of unrelated prompts, which is 0 on average.
    """
    n_groups = min(n_groups, n_examples)
    group_of = generator.permutation(n_examples) % n_groups
    kept = group_of != np.arange(n_groups)[:, None]
    order = generator.permuted(np.tile(np.arange(n_examples), (n_splits, 1)), axis=1)
    in_first = order < n_examples // 2
    without, first, second = (
        (chosen / np.maximum(1, chosen.sum(axis=1, keepdims=True))).astype(np.float32)
        for chosen in (kept, in_first, ~in_first)
    )
    return Weights(without, first, second)


def resample(effects: Effects, weights: Weights) -> ResampledMaps:
    """The mean map of per-example effects, and the maps under all `weights`."""
    by_head = effects.reshape(-1, effects.shape[-1]).astype(np.float32, copy=False)
    stacked = np.concatenate([weights.without, weights.first_half, weights.second_half])
    without, first, second = np.split(stacked @ by_head.T, np.cumsum([len(weights.without), len(weights.first_half)]))
    point = effects.mean(axis=-1, dtype=np.float64)
    n_moved = int(np.count_nonzero(by_head[np.abs(point).argmax()]))
    return ResampledMaps(point, without, first, second, n_moved)
