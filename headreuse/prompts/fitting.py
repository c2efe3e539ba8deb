"""Do prompts fit a model: does it know their tokens, and has it as many positions?"""

from typing import TYPE_CHECKING, Any

from headreuse.errors import HeadreuseError
from headreuse.records import Prompts

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check_fits(prompts: Prompts, model: "PreTrainedModel") -> None:
    """Raise where prompts have tokens that a model does not know, or more tokens than it has positions."""
    embedding: Any = model.get_input_embeddings()
    greatest, n_known = int(prompts.tokens.max()), int(embedding.weight.shape[0])
    if greatest >= n_known:
        raise HeadreuseError(
            f"{prompts.task}: its tokens go to id {greatest:,}, but the model knows {n_known:,} tokens; "
            "the tokenizer beside the weights is another model's"
        )
    most = n_learned_positions(model)
    if most is not None and prompts.tokens.shape[1] > most:
        raise HeadreuseError(
            f"{prompts.task}: prompts of {prompts.tokens.shape[1]:,} tokens, but the model has {most:,} positions; "
            "leave the longest out"
        )


def n_learned_positions(model: "PreTrainedModel") -> int | None:
    """How many positions a model has learned; None where it works them out, so that there are more than it met."""
    most = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    tables = [module for module in model.modules() if type(module).__name__.endswith("Embedding")]
    sizes = {getattr(table, "num_embeddings", None) for table in tables if table is not model.get_input_embeddings()}
    return most if most in sizes else None
