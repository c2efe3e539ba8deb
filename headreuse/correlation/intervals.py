"""How sure is a correlation? Intervals in which the run, not the checkpoint, is the unit of replication."""

import numpy as np
from jaxtyping import Float
from scipy import stats

from headreuse.correlation.statistics import Series, Statistic


def over_runs(
    x: Series, y: Series, statistic: Statistic, *, confidence: float = 0.95
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Interval of a correlation over runs: delete-one-run jackknife of Fisher's z, with Student's t of n_runs − 1.

    Checkpoints of one run are a time series, so an interval that counts them (Fisher's z with the residual degrees
    of freedom) is far too narrow; here each run is one observation. It says how the correlation, common trend
    included, would vary over new seeds; NaN with a single run or where a correlation is undefined.
    """
    n_runs = x.shape[-2]
    whole = statistic(x, y)
    if n_runs < 2:
        return np.full_like(whole, np.nan), np.full_like(whole, np.nan)
    kept = ~np.eye(n_runs, dtype=bool)
    without = np.stack([statistic(x[..., keep, :], y[..., keep, :]) for keep in kept])
    z, z_without = _fisher_z(whole), _fisher_z(without)
    pseudo = n_runs * z - (n_runs - 1) * z_without
    error = np.sqrt(pseudo.var(axis=0, ddof=1) / n_runs)
    half = stats.t.isf((1 - confidence) / 2, n_runs - 1) * error
    return np.tanh(z - half), np.tanh(z + half)


def _fisher_z(r: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Fisher's z; a perfect correlation is taken as just short of it, so that z stays finite."""
    return np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
