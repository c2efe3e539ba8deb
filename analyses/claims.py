"""A published relation as a claim about a median difference, and the verdict that an estimate gives."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from headreuse.tables.differences import SIGNIFICANT, Estimate

MARGIN = 0.1
"""A smaller difference of accuracies or gaps does not matter."""
REACH_MARGIN = 0.25
"""The same for reach, where 1 is the whole way from main's longest training length to the auxiliary's."""


@dataclass(frozen=True)
class Claim:
    """A published relation between two arms, or between an arm and a number."""

    relation: str
    quantity: str
    expected: Literal["above", "below", "about"]
    margin: float = MARGIN

    def verdict(self, estimate: Estimate) -> str:
        """`held`, `not held` or `not settled`: a difference beyond the margin, one within it, or no telling.

        So no truth is on the side of two verdicts. `above` holds beyond the margin, and fails within it or below;
        `about` holds within it, and fails beyond it on either side. An interval across the margin settles nothing, nor
        do seeds that are all alike or too few for a p of 5 %; beyond the margin, p must be at most 5 %.
        """
        low, high = estimate.ci_low, estimate.ci_high
        if self.expected == "below":
            low, high = -high, -low
        if np.isnan(low) or estimate.all_alike or not estimate.can_be_seen:
            return "not settled"
        beyond, within = low > self.margin, high < self.margin
        if self.expected == "about":
            beyond, within = beyond or high < -self.margin, within and low > -self.margin
        if not (beyond or within) or (beyond and estimate.p > SIGNIFICANT):
            return "not settled"
        return "held" if beyond == (self.expected != "about") else "not held"
