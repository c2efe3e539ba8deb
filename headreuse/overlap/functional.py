"""Functional overlap, the causal measure: how much does a task lose without another task's top heads?

Three kinds of head sets are ablated: the top heads of task A (the source), the top heads of task B (the target), and
random sets with as many heads in each layer as A's. The measure is always what B loses.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from headreuse.overlap.resampling import N_RESAMPLES, Z, draw_weights

MIN_SETS = 19
"""With fewer random sets p cannot reach 5 %."""


@dataclass(frozen=True)
class SetAblations:
    """What a target task loses, example by example, when sets of heads are ablated together."""

    source: str
    """The task whose top heads are ablated."""
    target: str
    """The task whose loss is measured."""
    outcome: str
    n_heads: int
    """Heads in each set."""
    loss: Float[np.ndarray, "prompt"]
    """Baseline outcome minus the outcome without the source's top heads: positive where the target needs them."""
    self_loss: Float[np.ndarray, "prompt"]
    """The same without as many of the target's top heads."""
    random: Float[np.ndarray, "set prompt"]
    """The same without random sets that have as many heads in each layer as the source's."""


@dataclass(frozen=True)
class FunctionalOverlap:
    """One cell of the task × task matrix; the fields are columns of its table."""

    source: str
    target: str
    outcome: str
    n_heads: int
    value: float
    """Loss without the source's heads over loss without the target's: 0 for none of it, 1 for all of it."""
    ci_low: float
    """95 % interval over prompts, paired."""
    ci_high: float
    chance: float
    """Mean of the same ratio over the random sets."""
    p_chance: float
    """One-sided: how often a random set costs the target at least as much; NaN with fewer than 19 sets."""
    loss: float
    loss_own: float
    loss_random: float
    usable: bool
    reason: str
    """Why it cannot be used; empty where it can."""


def functional_overlap(ablations: SetAblations, generator: np.random.Generator) -> FunctionalOverlap:
    """What the target loses without the source's top heads, as a fraction of what it loses without its own.

    Unusable, and NaN, where ablating the target's own heads costs it nothing beyond noise.
    """
    loss, self_loss = float(ablations.loss.mean()), float(ablations.self_loss.mean())
    by_set = ablations.random.mean(axis=-1)
    costs = _costs(ablations.self_loss)
    reason = "" if costs else f"without its own top heads {ablations.target} loses nothing beyond noise"
    value = np.nan if reason else loss / self_loss
    half = np.nan if reason else Z * _ratio_error(ablations, generator)
    n_alike = np.count_nonzero(by_set >= loss - 1e-12)
    return FunctionalOverlap(
        source=ablations.source,
        target=ablations.target,
        outcome=ablations.outcome,
        n_heads=ablations.n_heads,
        value=value,
        ci_low=value - half,
        ci_high=value + half,
        chance=np.nan if reason else float(by_set.mean()) / self_loss,
        p_chance=(1 + n_alike) / (1 + len(by_set)) if len(by_set) >= MIN_SETS else np.nan,
        loss=loss,
        loss_own=self_loss,
        loss_random=float(by_set.mean()),
        usable=not reason,
        reason=reason,
    )


def functional_table(measured: Iterable[SetAblations], generator: np.random.Generator) -> pd.DataFrame:
    """One row per source, target and outcome: the task × task matrix in long form, with its diagonal if measured."""
    rows = [asdict(functional_overlap(entry, generator)) for entry in measured]
    return pd.DataFrame(rows, columns=list(FunctionalOverlap.__dataclass_fields__))


def _costs(loss: Float[np.ndarray, "prompt"]) -> bool:
    """Whether the mean loss is above 0 beyond noise (one-sided, 2.5 %)."""
    error = loss.std(ddof=1) / np.sqrt(len(loss)) if len(loss) > 1 else np.inf
    return bool(loss.mean() > Z * error)


def _ratio_error(ablations: SetAblations, generator: np.random.Generator) -> float:
    """Bootstrap standard error of the ratio of losses, over prompts."""
    weights = draw_weights(len(ablations.loss), generator, n_resamples=N_RESAMPLES, n_splits=1).bootstrap
    return float(np.std((weights @ ablations.loss) / (weights @ ablations.self_loss)))
