"""New decoder-only transformers, the same but for how they know positions: `positions/` has one scheme a file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.utils import logging

from headreuse.models.positions import POSITIONS
from headreuse.prompts import BOS, EOS, PAD
from headreuse.study.model_spec import ModelSpec


def build_model(
    spec: ModelSpec, *, vocab_size: int, max_positions: int, seed: int, settings: Mapping[str, Any] | None = None
) -> PreTrainedModel:
    """A model whose weights depend on `seed` alone: what models of all position schemes have is the same in each.

    Embedding and unembedding are separate, Llama's default. 6 layers of 6 heads, d_model 384 and d_mlp 1536 with a
    vocabulary of characters give 14.2 M parameters, the published size (Cai et al. 2025, arXiv 2506.09251, on models).
    `settings` are those of the scheme for the tasks at hand.
    """
    shape: dict[str, Any] = {
        "vocab_size": vocab_size,
        "hidden_size": spec.d_model,
        "intermediate_size": spec.d_mlp or 4 * spec.d_model,
        "num_hidden_layers": spec.n_layers,
        "num_attention_heads": spec.n_heads,
        "num_key_value_heads": spec.n_key_value_heads or spec.n_heads,
        "max_position_embeddings": max_positions,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "rms_norm_eps": 1e-6,
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "rope_parameters": {"rope_type": "default", "rope_theta": spec.rope_theta},
    }
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        scheme = POSITIONS[spec.position]
        for table in scheme.takes:
            shape |= getattr(spec, table).model_dump()
        return scheme.build(shape | dict(settings or {}))


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Within the block Transformers shows only errors and no progress bars; this package shows its own progress."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
