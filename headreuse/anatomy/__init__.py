"""Where a decoder's heads are, and how its parts are called."""

from headreuse.anatomy.calls import (
    first_tensor,
    forwards_replaced,
    hooked,
    logits_of,
    main_output,
    with_first_tensor,
)
from headreuse.anatomy.decoder import Anatomy, Block, device_of, is_linear, unwrapped
from headreuse.anatomy.probe import UnrecognisedModelError, find_anatomy

__all__ = [
    "Anatomy",
    "Block",
    "UnrecognisedModelError",
    "device_of",
    "find_anatomy",
    "first_tensor",
    "forwards_replaced",
    "hooked",
    "is_linear",
    "logits_of",
    "main_output",
    "unwrapped",
    "with_first_tensor",
]
