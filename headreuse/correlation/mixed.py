"""Mixed models of transfer on overlap: runs differ in level, and perhaps in slope."""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from statsmodels.regression.mixed_linear_model import MixedLM


@dataclass(frozen=True)
class MixedFit:
    """A fitted model, as each run's share of the normal equations of its fixed effects."""

    slope: float
    """Of transfer per unit of overlap."""
    normal: Float[np.ndarray, "run effect effect"]
    """X'V⁻¹X of each run, V as fitted to all runs."""
    moment: Float[np.ndarray, "run effect"]
    """X'V⁻¹y."""

    def slope_of(self, runs: Int[np.ndarray, "chosen"]) -> float:
        """The slope of some of the runs, with the variances fitted to all."""
        return float(np.linalg.solve(self.normal[runs].sum(axis=0), self.moment[runs].sum(axis=0))[1])


def fit_mixed(
    x: Float[np.ndarray, "run step"], y: Float[np.ndarray, "run step"], *, random_slope: bool
) -> MixedFit | None:
    """Fit y ~ x with a random intercept (and slope) for each run by REML; None where the fit does not converge.

    Both are scaled to unit variance for the fit, and the slope is scaled back.
    """
    present = np.isfinite(x) & np.isfinite(y)
    run = np.nonzero(present)[0]
    scale_x, scale_y = x[present].std(), y[present].std()
    design = np.column_stack([np.ones(len(run)), (x[present] - x[present].mean()) / scale_x])
    outcome = (y[present] - y[present].mean()) / scale_y
    with warnings.catch_warnings():
        # They warn of the Hessian, which is not used, and of variances at 0, at which the slope is still good.
        warnings.simplefilter("ignore")
        model = MixedLM(outcome, design, groups=run, exog_re=design if random_slope else None)
        try:
            result = model.fit(reml=True, method="lbfgs")
        except np.linalg.LinAlgError:  # a step into singular variances, which statsmodels reports in no other way
            return None
    if not result.converged:
        return None
    normal, moment = [], []
    for one in np.unique(run):
        rows = design[run == one]
        random = rows if random_slope else rows[:, :1]
        variance = result.scale * np.eye(len(rows)) + random @ np.asarray(result.cov_re) @ random.T
        weighted = np.linalg.solve(variance, rows)
        normal.append(weighted.T @ rows)
        moment.append(weighted.T @ outcome[run == one])
    unit = scale_y / scale_x
    return MixedFit(float(result.fe_params[1] * unit), np.stack(normal), np.stack(moment) * unit)
