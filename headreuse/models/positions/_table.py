"""Positions that are the rows of a table, of which training takes all by starting anywhere."""

from abc import abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from headreuse.errors import HeadreuseError


class Table(nn.Module):
    """A row for each position id, added to the embeddings of tokens; ids follow from the tokens alone."""

    margin = 0
    """Rows at either end that training alone takes."""

    def __init__(self, n_rows: int, d_model: int) -> None:
        super().__init__()
        self.rows = nn.Embedding(n_rows, d_model)

    def draw(self) -> None:
        """Draw the rows of a new model, where they are to be other than Transformers draws them."""

    @abstractmethod
    def ids(self, tokens: Int[Tensor, "prompt pos"]) -> tuple[Int[Tensor, "prompt pos"], Tensor]:
        """The ids where positions start first, and which of them move with the start.

        An id depends on its own token and those before it.
        """

    def forward(
        self, tokens: Int[Tensor, "prompt pos"], drawn: Float[Tensor, "prompt 1"] | None = None
    ) -> Float[Tensor, "prompt pos d_model"]:
        """The rows of all tokens.

        Args:
            tokens: Whole prompts, from their first token on.
            drawn: From 0 to 1: where each prompt starts among the places at which all of it fits; None for the
                first after the margin.
        """
        ids, moves = self.ids(tokens)
        n_rows = self.rows.num_embeddings
        n_between = n_rows - 2 * self.margin
        # An id is at most the number of tokens: where these fit, no number is fetched from a GPU.
        if tokens.shape[1] >= n_between and (n_ids := int(ids.max()) + 1) > n_between:
            raise HeadreuseError(
                f"prompts with {n_ids:,} positions, but the model has {n_between:,}; leave the longest out, or train "
                "with a larger model.positions_to"
            )
        start = self.margin if drawn is None else (drawn * (n_rows - ids.amax(dim=1, keepdim=True))).long()
        rows: Tensor = self.rows(torch.where(moves, ids + start, ids))
        return rows
