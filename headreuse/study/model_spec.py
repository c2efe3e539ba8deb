"""The model in a study file: its shape, and how it knows positions."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from headreuse.registry import modules_of
from headreuse.study import limits
from headreuse.study.frozen import Frozen, Length, check_known

POSITIONS = modules_of("models", "positions")
"""How a model that is trained here can know positions."""
COUPLED_POSITIONS = ("coupled", "coupled_fixed")
"""Those of them that need tasks whose symbols are coupled."""
TABLES_OF_POSITIONS = ("ape", *COUPLED_POSITIONS)
"""Those of them that have a row for each position, so that there is a last one."""
POSITIONS_TIMES = 4
"""How many times as far as the transfer range they have positions."""


class ChunkSpec(Frozen):
    """How the models of position `hsa` attend to chunks of the prompt."""

    chunk_size: Annotated[int, Field(ge=1, le=limits.LENGTH)] = 8
    """Tokens."""
    n_chosen: Annotated[int, Field(ge=1, le=limits.LENGTH)] = 2
    """Chunks that a head attends to at once."""
    window: Annotated[int, Field(ge=1, le=limits.LENGTH)] = 16
    """Tokens that the other layers attend to, each token's own among them."""


class ModelSpec(Frozen):
    """A decoder-only transformer to train from scratch."""

    position: str = "rope"
    """How it knows positions: `rope` turns queries and keys, `nope` leaves it without any."""
    positions_to: Length | None = None
    """Up to which length of prompts there are positions where each has a row (`ape`, `coupled`, `coupled_fixed`); four
    times as far as the group's transfer range where a study does not say."""
    n_layers: Annotated[int, Field(ge=1, le=limits.LAYERS)] = 2
    """Blocks of attention and MLP."""
    n_heads: Annotated[int, Field(ge=1, le=limits.HEADS)] = 4
    """Query heads of each layer."""
    n_key_value_heads: Annotated[int, Field(ge=1, le=limits.HEADS)] | None = None
    """Fewer than `n_heads` for grouped-query attention; one for each head where a study does not say."""
    d_model: Annotated[int, Field(ge=1, le=limits.D_MODEL)] = 64
    """Width of the residual stream; a multiple of 2 × `n_heads`."""
    d_mlp: Annotated[int, Field(ge=1, le=limits.D_MLP)] | None = None
    """Width of the MLP; 4 × `d_model` where a study does not say."""
    rope_theta: Annotated[float, Field(ge=1, le=limits.ROPE_THETA)] = 1e5
    """Base of the rotary angles."""
    chunks: ChunkSpec = ChunkSpec()
    """How models of position `hsa` attend."""

    @field_validator("position")
    @classmethod
    def _known(cls, name: str) -> str:
        check_known("position scheme", [name], POSITIONS)
        return name

    @property
    def has_position_rows(self) -> bool:
        """Whether each position has a row of a table."""
        return self.position in TABLES_OF_POSITIONS

    @model_validator(mode="after")
    def _heads_fit(self) -> "ModelSpec":
        if self.d_model % (2 * self.n_heads):
            right = max(1, round(self.d_model / (2 * self.n_heads))) * 2 * self.n_heads
            raise ValueError(f"d_model {self.d_model} is not a multiple of 2 × n_heads ({self.n_heads}); try {right}")
        if self.n_key_value_heads is not None and self.n_heads % self.n_key_value_heads:
            divisors = [n for n in range(1, self.n_heads + 1) if self.n_heads % n == 0]
            right = min(divisors, key=lambda n: abs(n - (self.n_key_value_heads or 1)))
            raise ValueError(
                f"n_key_value_heads {self.n_key_value_heads} does not divide n_heads {self.n_heads}; try {right}"
            )
        return self
