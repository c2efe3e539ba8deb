"""The axis of training: steps, or the tokens that a model has seen, on a log scale where checkpoints lie so."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

MANY = 30
"""Times the first step at which given checkpoints end, from which on they are shown on a log scale."""


@dataclass(frozen=True)
class StepAxis:
    """How far training had come at a checkpoint, as an axis."""

    title: str = "training step"
    tokens: Mapping[int, float] = field(default_factory=dict)
    """Those seen at each step; empty where the axis shows steps."""
    is_log: bool = False
    zero: float = 0.0
    """Where step 0 stands, which a log scale does not have."""

    def places(self, steps: Iterable[int]) -> list[float]:
        """Where checkpoints stand on the axis."""
        values = [self.tokens.get(step, step) for step in steps]
        return [self.zero if self.is_log and value == 0 else value for value in values]

    @property
    def hover(self) -> str:
        """The place of a point, in words."""
        return "%{x:.4s} tokens" if self.tokens else "step %{x}"

    @property
    def layout(self) -> dict[str, Any]:
        """Settings of the axis."""
        return {"title": {"text": self.title}} | ({"type": "log", "nticks": 6} if self.is_log else {})


STEPS = StepAxis()
"""Of models that are trained here."""


def step_axis(checkpoints: pd.DataFrame, *, is_given: bool, title: str = "training step") -> StepAxis:
    """The axis for one group's rows of the `checkpoints` table.

    Tokens where every checkpoint says how many it has seen. Models that are trained here have an even scale; given
    checkpoints, which are often spaced evenly in log step, a log scale where they end far from where they begin.
    """
    tokens: dict[int, float] = {}
    if len(checkpoints) and checkpoints["tokens"].notna().all():
        seen = checkpoints.groupby("step")["tokens"].agg(["min", "max"])
        if (seen["min"] == seen["max"]).all():
            tokens = {int(str(step)): float(value) for step, value in seen["min"].items()}
            title = "tokens seen" if title == "training step" else f"tokens seen in {title.removesuffix(' step')}"
    values = sorted(set(tokens.values()) or set(checkpoints["step"] if len(checkpoints) else ()))
    positive = [value for value in values if value > 0]
    is_log = is_given and len(positive) > 2 and positive[-1] >= MANY * positive[0]
    if not is_log:
        return StepAxis(title, tokens)
    zero = f"; {'0 tokens' if tokens else 'step 0'} at the left end" if values[0] == 0 else ""
    return StepAxis(f"{title} (log scale{zero})", tokens, True, positive[0] / 2)
