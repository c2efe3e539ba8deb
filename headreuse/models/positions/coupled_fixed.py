"""Position Coupling with rows that are drawn once and not learned, so that those far apart stay unlike each other.

Training never has two positions in one prompt that are further apart than its longest prompts reach. Where rows are
learned, heads that look at the right digit of a longer prompt also look at some just out of that reach (measured in
`analyses/systems.md`); it may be since rows that are seen together learn to differ, and only those. Rows at right
angles that stay as they are have nothing to do with each other.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from headreuse.models.positions._decoder import PositionedConfig
from headreuse.models.positions._registry import position
from headreuse.models.positions._table import Table
from headreuse.models.positions.coupled import Coupled, InSignificance
from headreuse.prompts import Vocabulary
from headreuse.tasks import Task

MARGIN = 6
"""Rows at either end that training alone takes: it sees the first rows with first digits only, and learns them last.

Not in config.json: models that are trained already mean this number."""
SIZE = 2.0
"""How large rows are, in multiples of the size that tokens' embeddings begin with."""


@position("coupled_fixed")
class CoupledFixed(Coupled):
    """Tokens of equal significance have the same row of a table that is not learned."""

    @classmethod
    def settings(cls, tasks: Sequence[Task], vocabulary: Vocabulary, longest: int) -> dict[str, Any]:
        """As of `coupled`, with a margin at either end."""
        settings = super().settings(tasks, vocabulary, longest)
        return settings | {"max_position_embeddings": settings["max_position_embeddings"] + 2 * MARGIN}

    @classmethod
    def table(cls, config: PositionedConfig) -> Table:
        """A row for each id, and one for 0."""
        return FixedRows(config)


class FixedRows(InSignificance):
    """Coupled ids, whose rows are at right angles; where there are more of them than dimensions, nearly so."""

    margin = MARGIN

    def __init__(self, config: PositionedConfig) -> None:
        super().__init__(config)
        self.size = SIZE * config.initializer_range * math.sqrt(config.hidden_size)
        self.rows.weight.requires_grad_(False)

    def draw(self) -> None:
        """Rows of one length."""
        directions = nn.functional.normalize(nn.init.orthogonal_(torch.empty_like(self.rows.weight)))
        self.rows.weight.data.copy_(self.size * directions)
