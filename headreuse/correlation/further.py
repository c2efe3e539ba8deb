"""Further estimates: correlations given covariates and with a lag, and slopes."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from headreuse.correlation.estimate import (
    MIN_POINTS,
    SLOPE,
    Estimate,
    jackknifed,
    undefined,
    why_no_p,
)
from headreuse.correlation.intervals import PLAIN, jackknife
from headreuse.correlation.mixed import fit_mixed
from headreuse.correlation.panels import Panel
from headreuse.correlation.permutation import seed_permutation, slope_interval
from headreuse.correlation.statistics import STATISTICS
from headreuse.correlation.wording import counted

LAGS = (-2, -1, 1, 2)
"""In checkpoints; at +1 overlap is compared with the transfer one checkpoint later."""
MIXED_FROM = {"mixed_intercept": 3, "mixed_slope": 5}
"""Runs that a model needs to estimate how runs vary."""


def partial(panel: Panel) -> Estimate:
    """Within-run correlation given log step and the accuracy of main and auxiliaries at the length of the scores."""
    statistic, name = STATISTICS["within_run"], "partial"
    reason = undefined(panel, statistic)
    if not reason and not _complete(panel).any():
        reason = "the accuracies at the length of the scores are not known"
    if reason:
        return Estimate(name, np.nan, note=reason)

    def value(runs: np.ndarray) -> np.ndarray:
        return statistic(*given_covariates(panel.of_runs(runs)))

    x, y = given_covariates(panel)
    if not statistic.centred(x).any() or not statistic.centred(y).any():
        return Estimate(name, np.nan, note="log step and both accuracies leave nothing to correlate")
    return jackknifed(panel, Estimate(name, float(statistic(x, y))), value)


def given_covariates(panel: Panel) -> tuple[Float[np.ndarray, "run step"], Float[np.ndarray, "run step"]]:
    """Residuals of overlap and of transfer, each regressed on run, log step and both accuracies."""
    present = _complete(panel)
    log_step = np.broadcast_to(np.log1p(panel.steps), present.shape)
    within = STATISTICS["within_run"].centred
    known = [log_step, panel.baselines[..., 0], panel.baselines[..., 1]]
    covariates = np.stack([within(np.where(present, values, np.nan))[present] for values in known], axis=-1)
    left = []
    for series in (panel.overlap, panel.transfer):
        centred = within(np.where(present, series, np.nan))[present]
        residual = np.full(series.shape, np.nan)
        fitted = covariates @ np.linalg.lstsq(covariates, centred, rcond=None)[0]
        residual[present] = _without_rounding(centred - fitted, series[present])
        left.append(residual)
    return left[0], left[1]


def _complete(panel: Panel) -> Bool[np.ndarray, "run step"]:
    """Which checkpoints count and have both accuracies."""
    return panel.present & np.isfinite(panel.baselines).all(axis=-1)


def _without_rounding(residual: np.ndarray, series: np.ndarray) -> np.ndarray:
    """The residuals, all 0 where the series is fully explained and only rounding errors are left."""
    return np.where(np.abs(residual).max() <= 1e-9 * np.abs(series).max(), 0.0, residual)


def lagged(panel: Panel, lag: int) -> Estimate:
    """Within-run correlation of overlap with the transfer `lag` checkpoints later (earlier, where it is negative)."""
    statistic, name = STATISTICS["within_run"], f"lag{lag:+d}"
    x, y = shifted(panel.overlap, panel.transfer, lag)
    if np.isfinite(x).sum() < MIN_POINTS or not statistic.centred(x).any() or not statistic.centred(y).any():
        return Estimate(name, np.nan, note="too few checkpoints that vary to shift")
    return jackknifed(panel, Estimate(name, float(statistic(x, y))), lambda runs: statistic(x[runs], y[runs]))


def step_adjusted_slope(panel: Panel) -> Estimate:
    """Change of transfer per unit of overlap given run and step; its interval holds the slopes not rejected."""
    name, common = "step_adjusted_slope", panel.common()
    if reason := undefined(common, STATISTICS["step_adjusted"]):
        return Estimate(name, np.nan, SLOPE, note=reason)
    slope, interval = slope_interval(common.overlap, common.transfer)
    if reason := why_no_p(STATISTICS["step_adjusted"], len(panel.seeds)):
        return Estimate(name, float(slope), SLOPE, note=reason)
    p = float(seed_permutation(common.overlap, common.transfer, STATISTICS["step_adjusted"]))
    low, high = float(interval.low), float(interval.high)
    return Estimate(name, float(slope), SLOPE, low, high, "seed permutation inverted", p, "seed permutation")


def mixed_slopes(panel: Panel) -> Iterator[Estimate]:
    """Slopes of mixed models with a random intercept, and with a random slope too, for each run; of the gap alone.

    τ is linear in the gap, so its slope follows from that of the gap.
    """
    for name, n_runs in MIXED_FROM.items():
        reason = undefined(panel, STATISTICS["within_run"])
        if not reason and len(panel.seeds) < n_runs:
            reason = f"{counted(len(panel.seeds), 'run')}; how runs vary cannot be estimated from fewer than {n_runs}"
        fitted = None if reason else fit_mixed(panel.overlap, panel.transfer, random_slope=name == "mixed_slope")
        if fitted is None:
            yield Estimate(name, np.nan, SLOPE, note=reason or "the model could not be fitted")
            continue
        interval = jackknife(fitted.slope_of, len(panel.seeds), PLAIN)
        low, high = float(interval.low), float(interval.high)
        yield Estimate(name, fitted.slope, SLOPE, low, high, "jackknife over runs")


def shifted(
    x: Float[np.ndarray, "*batch run step"], y: Float[np.ndarray, "*batch run step"], lag: int
) -> tuple[Float[np.ndarray, "*batch run pair"], Float[np.ndarray, "*batch run pair"]]:
    """Two series with `y` taken `lag` checkpoints later; both NaN where either is."""
    n_steps = x.shape[-1]
    x, y = x[..., max(0, -lag) : n_steps - max(0, lag)], y[..., max(0, lag) : n_steps - max(0, -lag)]
    both = np.isfinite(x) & np.isfinite(y)
    return np.where(both, x, np.nan), np.where(both, y, np.nan)
