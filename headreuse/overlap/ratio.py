"""A ratio of two means over the same prompts, with an interval that holds where the means are noisy or skewed."""

import numpy as np
from jaxtyping import Float
from scipy import stats

from headreuse.overlap.intervals import PromptInterval

LEAST_ON_EITHER_SIDE = 5
"""Prompts above the ratio, and as many below it, for an interval: with fewer, chance alone decides its width."""
LEAST_WITH_A_LOSS = 15
"""Prompts whose denominator is not 0, for an interval."""


def paired_ratio(part: Float[np.ndarray, "prompt"], whole: Float[np.ndarray, "prompt"]) -> PromptInterval:
    """95 % interval of mean(part) / mean(whole) over prompts, where the mean of `whole` is above 0 beyond noise."""
    # Fieller (1954): the ratios r for which the mean of part − r · whole is within its own error of 0. The correction
    # for skewness is Johnson's (1978), taken at the ratio that was found; without it the intervals of rare losses miss
    # on one side.
    n, t = len(part), stats.t.isf(0.025, len(part) - 1)
    ratio = float(part.mean() / whole.mean())
    apart = part - ratio * whole
    if reason := _why_none(apart, whole):
        return PromptInterval(np.nan, np.nan, f"no interval: {reason}")
    shift = np.mean((apart - apart.mean()) ** 3) / apart.var(ddof=1) * (1 + 2 * t**2) / (6 * n)
    (var_part, both), (_, var_whole) = np.cov(part, whole) * t**2 / n
    mean_part, mean_whole = part.mean() + shift, whole.mean()
    square, linear, rest = mean_whole**2 - var_whole, mean_part * mean_whole - both, mean_part**2 - var_part
    root = np.sqrt(max(0.0, linear**2 - square * rest))
    if square <= 0:
        return PromptInterval(
            np.nan, np.nan, "no interval: the loss without the target's own heads is barely above noise"
        )
    return PromptInterval(float((linear - root) / square), float((linear + root) / square), "")


def _why_none(apart: Float[np.ndarray, "prompt"], whole: Float[np.ndarray, "prompt"]) -> str:
    slack = 1e-9 * float(np.abs(whole).max())
    if np.count_nonzero(whole) < LEAST_WITH_A_LOSS:
        return f"fewer than {LEAST_WITH_A_LOSS} prompts lose anything without the target's own heads"
    if min(np.count_nonzero(apart > slack), np.count_nonzero(apart < -slack)) < LEAST_ON_EITHER_SIDE:
        return "nearly all prompts lose the same share, and too few of them differ to say how far it could be off"
    return ""
