"""How a model that is trained here knows positions: one scheme a file, in which the class has the file's name."""

from headreuse.models.hsa import HsaConfig
from headreuse.models.positions._decoder import PositionedConfig, PositionedForCausalLM
from headreuse.models.positions._registry import DRAWN, POSITIONS, Scheme, position

OWN_MODEL_TYPES = (HsaConfig.model_type, PositionedConfig.model_type)
"""Decoders that Transformers itself has not."""

__all__ = ["DRAWN", "OWN_MODEL_TYPES", "POSITIONS", "PositionedConfig", "PositionedForCausalLM", "Scheme", "position"]
