"""D_attn: how differently do two tasks' heads attend, on prompts whose tokens line up?"""

import numpy as np

from headreuse.overlap.chance import Chance, Shuffles, chance_from
from headreuse.overlap.registry import pattern_metric
from headreuse.records import MeanPattern


def misalignment(a: MeanPattern, b: MeanPattern) -> str:
    """Where the prompts of two mean patterns do not line up, in words; empty where they do."""
    if a.pattern.shape[:2] != b.pattern.shape[:2]:
        return f"{a.task} has {_heads(a)} and {b.task} has {_heads(b)}; compare patterns of one model"
    if len(a.layout) != len(b.layout):
        return (
            f"prompts of {a.task} have {len(a.layout)} positions and those of {b.task} {len(b.layout)}; "
            "compare tasks at a length at which their prompts line up"
        )
    apart = [position for position, (x, y) in enumerate(zip(a.layout, b.layout, strict=True)) if x != y]
    if apart:
        first = apart[0]
        return (
            f"position {first} is {a.layout[first].lower()} in {a.task} and {b.layout[first].lower()} in {b.task}; "
            "compare tasks whose prompts line up token by token"
        )
    return ""


def attention_chance(a: MeanPattern, b: MeanPattern, shuffles: Shuffles) -> Chance:
    """Chance level and p of D_attn when `b`'s heads are permuted within their layers."""
    # D_attn is a sum over heads of the distance between two heads' patterns. So the distances of all pairs of heads
    # within a layer are computed once, and every permutation only picks one of them for each head. Pairs of two layers
    # stay NaN: a permutation that mixed layers would give NaN instead of a wrong number.
    n_layers, n_heads = a.pattern.shape[:2]
    apart = np.full((n_layers * n_heads, n_layers * n_heads), np.nan)
    for layer in range(n_layers):
        heads = slice(layer * n_heads, (layer + 1) * n_heads)
        entries = np.abs(a.pattern[layer][:, None] - b.pattern[layer][None])
        apart[heads, heads] = entries.sum(axis=(-2, -1), dtype=np.float64)
    null = apart[np.arange(len(apart)), shuffles.orders].sum(axis=-1)
    return chance_from(null, float(np.trace(apart)), distance=True, exact=shuffles.exact)


@pattern_metric(chance=attention_chance, misalignment=misalignment, distance=True, high=np.inf)
def attention_difference(a: MeanPattern, b: MeanPattern) -> float:
    """D_attn as published: sum over heads and positions of the absolute difference of mean patterns; a distance.

    From 0 to 2 · heads · positions (Cai et al. 2025, arXiv 2506.09251, on attention-head reuse). Raises
    `HeadreuseError` where the prompts do not line up.
    """
    return float(np.abs(a.pattern - b.pattern).sum(dtype=np.float64))


def _heads(mean: MeanPattern) -> str:
    return f"{mean.pattern.shape[0]} × {mean.pattern.shape[1]} heads"
