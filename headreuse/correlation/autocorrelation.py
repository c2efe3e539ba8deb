"""How many independent observations are the checkpoints of a run worth?"""

import numpy as np
from jaxtyping import Float

from headreuse.correlation.panels import Panel
from headreuse.correlation.statistics import STATISTICS

MIN_STEPS = 4


def effective_sample_size(x: Float[np.ndarray, "step"], y: Float[np.ndarray, "step"]) -> float:
    """How many independent pairs would say as much about a correlation as these two series; at most their length.

    n / (1 + 2 Σ_k (1 − k/n) ρ_x(k) ρ_y(k)), summed up to the first lag at which the product is not positive (Bartlett
    1946; Pyper & Peterman 1998). It describes only: trends make it small, but it makes no test exact. NaN for constant
    series.
    """
    n = len(x)
    product = _autocorrelations(x) * _autocorrelations(y)
    if np.isnan(product).any():
        return np.nan
    ends = np.flatnonzero(product <= 0)
    lags = np.arange(1, ends[0] if len(ends) else n)
    return float(n / (1 + 2 * np.sum((1 - lags / n) * product[lags])))


def effective_points(panel: Panel) -> float:
    """Effective sample size of a panel, summed over its runs; NaN where a run has too few points or does not vary."""
    runs = zip(panel.overlap, panel.transfer, panel.present, strict=True)
    sizes = [effective_sample_size(x[here], y[here]) if here.sum() >= MIN_STEPS else np.nan for x, y, here in runs]
    return float(np.sum(sizes))


def residual_autocorrelation(panel: Panel) -> float:
    """Lag-one autocorrelation of what runs have beyond the common trend: geometric mean of overlap's and transfer's.

    From 0 to 1: a negative one counts as 0. NaN where nothing is left.
    """
    common = panel.common()
    if common.overlap.shape[-1] < MIN_STEPS:
        return np.nan
    found = []
    for series in (common.overlap, common.transfer):
        left = STATISTICS["step_adjusted"].centred(series)
        power = np.sum(left**2)
        found.append(max(0.0, float(np.sum(left[:, 1:] * left[:, :-1]) / power)) if power > 0 else np.nan)
    return float(np.sqrt(found[0] * found[1]))


def _autocorrelations(series: Float[np.ndarray, "step"]) -> Float[np.ndarray, "lag"]:
    left = series - series.mean()
    power = np.correlate(left, left, mode="full")[len(left) - 1 :]
    return (
        power / power[0] if power[0] > 1e-24 * len(left) * np.max(np.abs(series)) ** 2 else np.full(len(left), np.nan)
    )
