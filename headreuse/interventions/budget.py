"""How many sequences go through the model at once, and whether clean runs are kept or computed again."""

import ctypes
import sys
from dataclasses import dataclass
from functools import cache

import torch

from headreuse.models.anatomy import Anatomy

GIBIBYTE = 2**30
CACHE_BYTES = 16_000_000
"""On a CPU the widest activation of a batch should be no larger than this, so that it stays in the cache."""
KEPT_BYTES = 2**28
"""Tensors up to this size get memory that the process keeps when they are freed."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Settings of glibc's `mallopt`."""
RESIDUAL_COPIES, WIDE_COPIES, LOGIT_COPIES, PATTERN_COPIES = 8, 6, 4, 4
"""How many arrays of each kind are alive at once, at most, while a block runs."""


@dataclass(frozen=True)
class Plan:
    """How the work is cut up."""

    n_sequences: int
    """Sequences in one call of the model: prompts times head sets."""
    keeps_runs: bool
    """Whether the clean runs of all prompts stay in memory."""


def default_budget(device: torch.device) -> int:
    """Bytes that an intervention may use in addition to the model: 1 GiB; on a GPU half of what is free."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    return GIBIBYTE


@cache
def keep_freed_memory() -> None:
    """Have glibc keep the memory of freed tensors for the next ones, instead of giving it back to the system.

    Without this a fifth of an intervention's time on a CPU goes into page faults. It holds for the whole process. Other
    C libraries have no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, 2 * KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)


def plan(anatomy: Anatomy, n_prompts: int, n_positions: int, n_slots: int, *, memory_budget: int | None) -> Plan:
    """Keep the clean runs of all prompts where they take half of the budget or less, and compute with the rest."""
    budget = default_budget(anatomy.device) if memory_budget is None else memory_budget
    itemsize = anatomy.model.dtype.itemsize
    wide = n_positions * anatomy.d_widest * itemsize
    residual = n_positions * anatomy.d_model * itemsize
    logits = n_slots * anatomy.model.config.vocab_size * torch.float32.itemsize
    # Fused attention makes no pattern, but whether a model uses it cannot always be seen: so patterns always count.
    pattern = anatomy.n_heads * n_positions**2 * torch.float32.itemsize
    working = RESIDUAL_COPIES * residual + WIDE_COPIES * wide + LOGIT_COPIES * logits + PATTERN_COPIES * pattern
    kept = anatomy.n_layers * n_positions * (anatomy.d_model + anatomy.n_heads * anatomy.d_head) * itemsize
    keeps_runs = n_prompts * kept <= budget // 2
    # Heads resampled need another clean run beside that of their prompts. Some freed memory lies in pieces too small.
    free = budget - budget // 16
    n_sequences = (free - n_prompts * kept) // (working + kept) if keeps_runs else free // (working + 2 * kept)
    if anatomy.device.type == "cpu":
        n_sequences = min(n_sequences, CACHE_BYTES // wide)
    return Plan(max(1, n_sequences), keeps_runs)


def gradient_batch(anatomy: Anatomy, n_positions: int, n_slots: int, *, memory_budget: int | None) -> int:
    """Sequences whose activations of all blocks can be held for one backward pass."""
    one_block = plan(anatomy, 1, n_positions, n_slots, memory_budget=memory_budget).n_sequences
    budget = default_budget(anatomy.device) if memory_budget is None else memory_budget
    itemsize = anatomy.model.dtype.itemsize
    held = anatomy.n_layers * n_positions * (RESIDUAL_COPIES * anatomy.d_model + WIDE_COPIES * anatomy.d_widest)
    return max(1, min(one_block, budget // (held * itemsize)))
