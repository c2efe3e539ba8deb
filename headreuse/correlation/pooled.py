"""Correlations over all checkpoints of all runs at once: what a first look gives, for comparison alone.

They count checkpoints that are not independent, and mix differences between runs with what happens within them. So
they have neither interval nor p, and may have the opposite sign of what holds within every run (Simpson 1951).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy import stats

from headreuse.correlation.estimate import Estimate
from headreuse.correlation.paired import MIN_POINTS
from headreuse.correlation.panels import Panel
from headreuse.correlation.wording import counted

Correlate = Callable[[Float[np.ndarray, "point"], Float[np.ndarray, "point"]], float]

_COEFFICIENTS: dict[str, tuple[Correlate, str]] = {
    "pooled_pearson": (
        lambda x, y: stats.pearsonr(x, y).statistic,
        "Pearson's correlation over all checkpoints of all runs; differences between runs and common trends enter.",
    ),
    "pooled_spearman": (
        lambda x, y: stats.spearmanr(x, y).statistic,
        "Spearman's rank correlation over all checkpoints of all runs.",
    ),
    "pooled_kendall": (
        lambda x, y: stats.kendalltau(x, y).statistic,
        "Kendall's τ-b over all checkpoints of all runs.",
    ),
}
BETWEEN_RUN = "between_run"
SUMMARIES = {name: summary for name, (_, summary) in _COEFFICIENTS.items()} | {
    BETWEEN_RUN: "Pearson's correlation between the runs' means: do runs with more overlap transfer more?"
}
"""What each is, in a sentence."""


def pooled(panel: Panel) -> list[Estimate]:
    """All of them, of one panel."""
    here = panel.present
    x, y = panel.overlap[here], panel.transfer[here]
    means = [np.array([row[there].mean() for row, there in zip(series, here, strict=True)]) for series in _both(panel)]
    found = [_one(name, correlate, x, y, "checkpoint") for name, (correlate, _) in _COEFFICIENTS.items()]
    found.append(_one(BETWEEN_RUN, _COEFFICIENTS["pooled_pearson"][0], means[0], means[1], "run"))
    return [replace(row, n_runs=len(panel.seeds), n_points=int(here.sum())) for row in found]


def _both(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    return panel.overlap, panel.transfer


def _one(name: str, correlate: Correlate, x: np.ndarray, y: np.ndarray, unit: str) -> Estimate:
    if len(x) < MIN_POINTS:
        return Estimate(name, np.nan, note=f"{counted(len(x), unit)}; it takes {MIN_POINTS}")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return Estimate(name, np.nan, note="overlap or transfer does not vary")
    return Estimate(name, float(correlate(x, y)), note="for comparison alone: neither interval nor p")
