"""Functional overlap, the causal measure: how much does a task lose without another task's top heads?

Three kinds of head sets are ablated: the top heads of task A (the source), the top heads of task B (the target), and
other sets with as many heads in each layer as A's: all of them where they are few, else some at random. The measure is
always what B loses.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from headreuse.overlap.chance import p_among, why_no_p
from headreuse.overlap.ratio import paired_ratio
from headreuse.records.shown import Shown

Z = float(stats.norm.isf(0.025))
"""A mean is above noise where it is more than this many standard errors above 0."""


@dataclass(frozen=True, repr=False)
class SetAblations(Shown):
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
    """The same without other sets that have as many heads in each layer as the source's; each set once."""


@dataclass(frozen=True, repr=False)
class FunctionalOverlap(Shown):
    """One cell of the task × task matrix; the fields are columns of its table."""

    source: str
    """The task whose top heads are ablated."""
    target: str
    """The task whose loss is measured."""
    outcome: str
    """What was measured of an answer; larger for a better one."""
    n_heads: int
    """Heads in each set."""
    value: float = np.nan
    """Loss without the source's heads over loss without the target's: 0 for none of it, 1 for all of it."""
    ci_low: float = np.nan
    """95 % interval over prompts, paired, where one holds; else `note` says why there is none."""
    ci_high: float = np.nan
    """Upper end of the same interval."""
    chance: float = np.nan
    """Mean of the same ratio over the other sets."""
    p_chance: float = np.nan
    """One-sided: the share of sets, the source's among them, that cost the target at least as much as the source's.

    NaN where `least_p` exceeds 5 %. Small: the target needs just these heads. It says nothing about transfer.
    """
    least_p: float = np.nan
    """The least that `p_chance` could be: the share of the sets that cost the target most."""
    n_sets: int = 0
    """Other sets that were ablated."""
    loss: float = np.nan
    """Mean loss of the target without the source's top heads: positive where it needs them."""
    loss_own: float = np.nan
    """The same without as many of its own top heads."""
    loss_random: float = np.nan
    """The same without the other sets, their mean."""
    usable: bool = True
    """Whether the row can be used."""
    reason: str = ""
    """Why it cannot be used; empty where it can."""
    note: str = ""
    """Why there is no interval or no p, in words; empty where there are both, and where it cannot be used."""


def functional_overlap(ablations: SetAblations) -> FunctionalOverlap:
    """What the target loses without the source's top heads, as a fraction of what it loses without its own.

    Unusable, and NaN, where ablating the target's own heads costs it nothing beyond noise.
    """
    by_set = ablations.random.mean(axis=-1)
    found = FunctionalOverlap(
        source=ablations.source,
        target=ablations.target,
        outcome=ablations.outcome,
        n_heads=ablations.n_heads,
        n_sets=len(by_set),
        loss=float(ablations.loss.mean()),
        loss_own=float(ablations.self_loss.mean()),
        loss_random=float(by_set.mean()) if len(by_set) else np.nan,
    )
    if not _costs(ablations.self_loss):
        reason = f"without its own top heads {ablations.target} loses nothing beyond noise"
        return replace(found, usable=False, reason=reason)
    p, least_p = p_among(np.append(by_set, found.loss), found.loss)
    over_prompts = paired_ratio(ablations.loss, ablations.self_loss)
    return replace(
        found,
        value=found.loss / found.loss_own,
        ci_low=over_prompts.low,
        ci_high=over_prompts.high,
        chance=found.loss_random / found.loss_own,
        p_chance=p,
        least_p=least_p,
        note="; ".join(filter(None, (over_prompts.note, why_no_p(least_p)))),
    )


def functional_table(measured: Iterable[SetAblations]) -> pd.DataFrame:
    """One row per source, target and outcome: the task × task matrix in long form, with its diagonal if measured."""
    rows = [asdict(functional_overlap(entry)) for entry in measured]
    return pd.DataFrame(rows, columns=list(FunctionalOverlap.__dataclass_fields__))


def _costs(loss: Float[np.ndarray, "prompt"]) -> bool:
    """Whether the mean loss is above 0 beyond noise (one-sided, 2.5 %)."""
    error = loss.std(ddof=1) / np.sqrt(len(loss)) if len(loss) > 1 else np.inf
    return bool(loss.mean() > Z * error)
