"""How fast could it be? The arithmetic that cannot be avoided, at this machine's rate of matrix products."""

import time

import torch
from torch.nn.functional import linear

from scoring.settings import D_VOCAB, Setting


def suffix_flops(setting: Setting) -> float:
    """Floating-point operations of all-head ablation: what follows from each head, without the clean pass.

    In the head's block these are its part of the output projection and the MLP; in later blocks everything; in the last
    block keys and values at all positions, and the rest, with the unembedding, where an answer is predicted. The MLP of
    the head's block is counted in full, although a head's change has a low rank and costs less there.
    """
    d, layers = setting.d_model, setting.n_layers
    mlp, projection = 6 * d * setting.d_mlp, 2 * d * d
    written = 2 * (d // setting.n_heads) * d
    every, scored = setting.n_needed, setting.n_scored
    attention = 4 * d * every * (every + 1) / 2
    block = every * (4 * projection + mlp) + attention
    last_block = 2 * every * projection + scored * (2 * projection + mlp) + attention * scored / every
    unembedding = scored * 2 * d * D_VOCAB
    before_last = sum(
        every * (written + mlp) + (layers - 2 - layer) * block + last_block for layer in range(layers - 1)
    )
    in_last = scored * (written + mlp)
    return setting.n_prompts * setting.n_heads * (before_last + in_last + layers * unembedding)


def matmul_rate(setting: Setting, device: torch.device, dtype: torch.dtype, *, seconds: float = 1.5) -> float:
    """Operations per second on one block's weight shapes, on a CPU in batches that fit its cache."""
    d, wide = setting.d_model, setting.d_mlp
    n_rows = 16 * setting.n_needed if device.type == "cpu" else setting.n_prompts * setting.n_needed
    shapes = [(d, d)] * 4 + [(d, wide)] * 2 + [(wide, d)]
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
