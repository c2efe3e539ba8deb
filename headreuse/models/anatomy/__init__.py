"""Where a decoder's heads are, and how its parts are called."""

from headreuse.models.anatomy.calls import (
    first_tensor,
    forwards_replaced,
    hooked,
    logits_of,
    main_output,
    with_first_tensor,
)
from headreuse.models.anatomy.decoder import (
    Anatomy,
    Block,
    Decoder,
    FeedForward,
    LinearMap,
    UnrecognisedModelError,
    device_of,
    first_nan_weight,
    is_bridge,
    is_linear,
    unwrapped,
    weight_of,
)
from headreuse.models.anatomy.finding import anatomy_of, find_anatomy
from headreuse.models.anatomy.norms import Norm, read_norm

__all__ = [
    "Anatomy",
    "Block",
    "Decoder",
    "FeedForward",
    "LinearMap",
    "Norm",
    "UnrecognisedModelError",
    "anatomy_of",
    "device_of",
    "find_anatomy",
    "first_nan_weight",
    "first_tensor",
    "forwards_replaced",
    "hooked",
    "is_bridge",
    "is_linear",
    "logits_of",
    "main_output",
    "read_norm",
    "unwrapped",
    "weight_of",
    "with_first_tensor",
]
