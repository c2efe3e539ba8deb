"""How fast could it be? The arithmetic that cannot be avoided, at this machine's rate of matrix products."""

import time
from collections.abc import Sequence

import torch
from torch.nn.functional import linear

from scoring.settings import Setting


def suffix_flops(setting: Setting, layers: Sequence[int] | None = None) -> float:
    """Floating-point operations of ablating each head of these layers, by default of all, without the clean pass.

    These are what follows from each head. In the head's block: its part of the output projection and the MLP; in later
    blocks everything; in the last block keys and values at all positions, and the rest, with the unembedding, where an
    answer is predicted. The MLP of the head's block is counted in full, although a head's change has a low rank and
    costs less there.
    """
    d, n_layers = setting.d_model, setting.n_layers
    mlp, projection, keys_values = 6 * d * setting.d_mlp, 2 * d * d, 4 * d * setting.d_key_value
    written = 2 * (d // setting.n_heads) * d
    every, scored = setting.n_needed, setting.n_scored
    attention = 4 * d * every * (every + 1) / 2
    block = every * (2 * projection + keys_values + mlp) + attention
    last_block = every * keys_values + scored * (2 * projection + mlp) + attention * scored / every
    unembedding = scored * 2 * d * setting.d_vocab

    def after_head(layer: int) -> float:
        if layer == n_layers - 1:
            return scored * (written + mlp) + unembedding
        return every * (written + mlp) + (n_layers - 2 - layer) * block + last_block + unembedding

    chosen = range(n_layers) if layers is None else layers
    return setting.n_prompts * setting.n_heads * sum(map(after_head, chosen))


def matmul_rate(setting: Setting, device: torch.device, dtype: torch.dtype, *, seconds: float = 1.5) -> float:
    """Operations per second on one block's weight shapes, on a CPU in batches that fit its cache."""
    d, wide, narrow = setting.d_model, setting.d_mlp, setting.d_key_value
    n_rows = 16 * setting.n_needed if device.type == "cpu" else setting.n_prompts * setting.n_needed
    shapes = [(d, d)] * 2 + [(d, narrow)] * 2 + [(d, wide)] * 2 + [(wide, d)]
    pairs = [
        (torch.randn(n_rows, n_in, device=device, dtype=dtype), torch.randn(n_out, n_in, device=device, dtype=dtype))
        for n_in, n_out in shapes
    ]
    flops = sum(2 * n_rows * n_in * n_out for n_in, n_out in shapes)
    with torch.inference_mode():
        for rows, weight in pairs:
            linear(rows, weight)
        synchronise(device)
        n_rounds, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            for rows, weight in pairs:
                linear(rows, weight)
            synchronise(device)
            n_rounds += 1
        return n_rounds * flops / (time.perf_counter() - start)


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
