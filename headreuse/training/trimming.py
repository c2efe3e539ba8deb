"""A batch without the padding that it can do without: sequences of like length go through the model together."""

import torch
from torch import Tensor

from headreuse.training.batches import IGNORED

N_PARTS = 2
"""More parts save more padding and cost more calls: measured at the demo's size, two are the fastest."""
FEWEST_ROWS = 8
"""A part has at least so many."""


def by_length(batch: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """The rows in parts, shorter ones first, each cut after its last labelled token; other entries go with each part.

    Nothing after its last labelled token changes the loss of a row of a decoder, so the parts' losses and gradients add
    up to those of the batch, if each is divided by the labelled tokens of the whole batch.
    """
    is_scored = batch["labels"] != IGNORED
    n_needed = (is_scored * torch.arange(1, is_scored.shape[1] + 1, device=is_scored.device)).amax(dim=1)
    n_parts = N_PARTS if len(n_needed) >= N_PARTS * FEWEST_ROWS else 1
    return [_cut(batch, rows, int(n_needed[rows].max())) for rows in n_needed.argsort(stable=True).chunk(n_parts)]


def _cut(batch: dict[str, Tensor], rows: Tensor, n_positions: int) -> dict[str, Tensor]:
    return {name: part[rows, :n_positions] if part.ndim == 2 else part for name, part in batch.items()}
