"""How far would the maps move with other prompts? Bootstrap resamples and split halves of per-example effects.

Both are weights of examples, so that all resamples of a map are one matrix product.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from headreuse.overlap.registry import MapMetric

N_RESAMPLES = 1000
N_SPLITS = 50
Z = float(stats.norm.isf(0.025))
"""Half the width of a 95 % interval, in standard errors."""

Effects = Float[np.ndarray, "layer head prompt"]


@dataclass(frozen=True)
class Weights:
    """Weights of examples; each row sums to 1."""

    bootstrap: Float[np.ndarray, "resample prompt"]
    first_half: Float[np.ndarray, "split prompt"]
    second_half: Float[np.ndarray, "split prompt"]
    """The other examples; one more than in `first_half` where their number is odd."""


@dataclass(frozen=True)
class ResampledMaps:
    """One task's map of mean effects, and what it becomes with other prompts (layers end to end)."""

    point: Float[np.ndarray, "layer head"]
    bootstrap: Float[np.ndarray, "resample layer*head"]
    first_half: Float[np.ndarray, "split layer*head"]
    second_half: Float[np.ndarray, "split layer*head"]


def draw_weights(
    n_examples: int, generator: np.random.Generator, *, n_resamples: int = N_RESAMPLES, n_splits: int = N_SPLITS
) -> Weights:
    """Weights for resamples with replacement and for random halves of `n_examples` prompts.

    Two tasks with equally many examples share them. Where their prompts are paired, resamples must be. Where they are
    not, sharing adds the sample covariance of unrelated prompts, which is 0 on average.
    """
    drawn = (
        generator.integers(n_examples, size=(n_resamples, n_examples)) + n_examples * np.arange(n_resamples)[:, None]
    )
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * n_examples).reshape(n_resamples, n_examples)
    order = generator.permuted(np.tile(np.arange(n_examples), (n_splits, 1)), axis=1)
    in_first = order < n_examples // 2
    halves = (in_first / max(1, n_examples // 2), ~in_first / max(1, n_examples - n_examples // 2))
    first, second = (half.astype(np.float32) for half in halves)
    return Weights((counts / n_examples).astype(np.float32), first, second)


def resample(effects: Effects, weights: Weights) -> ResampledMaps:
    """The mean map of per-example effects, and the maps under all `weights`."""
    by_head = effects.reshape(-1, effects.shape[-1]).astype(np.float32, copy=False)
    stacked = np.concatenate([weights.bootstrap, weights.first_half, weights.second_half])
    bootstrap, first, second = np.split(
        stacked @ by_head.T, np.cumsum([len(weights.bootstrap), len(weights.first_half)])
    )
    return ResampledMaps(effects.mean(axis=-1, dtype=np.float64), bootstrap, first, second)


def interval(metric: MapMetric, resampled: Float[np.ndarray, "resample"], value: float) -> tuple[float, float]:
    """95 % interval of what a metric is on average with as many prompts: value ± 1.96 bootstrap standard errors.

    Clipped to the metric's range. NaN where the value is undefined, or where more than 5 % of the resamples are. Set
    metrics take few values, so their interval is rough. The interval does not hold the bias that noise gives to
    `value`: the noise floor or ceiling shows it.
    """
    undefined = np.isnan(resampled)
    if np.isnan(value) or undefined.mean() > 0.05:
        return np.nan, np.nan
    # Noise biases `value`, and resampling adds the same noise once more. So the percentiles of the resamples would
    # count the bias twice: in simulation they cover 0–60 % where noise is large, and this interval 90–98 %. Noise also
    # narrows the spread of a correlation's resamples; taking it about `value`, not their mean, makes up for that.
    defined = resampled[~undefined].astype(np.float64)
    centre = value if metric.correlation_like else defined.mean()
    half = Z * np.sqrt(np.mean((defined - centre) ** 2))
    return float(np.clip(value - half, metric.low, metric.high)), float(np.clip(value + half, metric.low, metric.high))
