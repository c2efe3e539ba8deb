"""How many subsets of a model's heads Banzhaf and Shapley values are worked out from: all, or as many as are drawn."""

OVER_SUBSETS = ("banzhaf", "shapley")
"""The scores that ablate subsets of heads."""
SYNERGY_METHOD = "banzhaf"
"""Where a study has this score, the synergy of each two heads is measured at the last checkpoint, over its subsets."""
EXACT = 4096
"""All subsets are taken where they are no more than this."""
PER_HEAD = 12
"""Subsets that are drawn for each head, where no number is given."""
PAIR = 2
"""Subsets are drawn in pairs."""
UP_TO_Z = 0.25
"""About so much of a block's work is done before its heads' output is projected."""
AT_SLOTS = 0.5
"""About so many of a prompt's positions are answers, where alone the last block is needed."""


def least_subsets(n_heads: int) -> int:
    """So few subsets tell all heads apart and show how well."""
    return min(PAIR * (n_heads + 2), 2**n_heads)


def n_drawn(n_heads: int, asked: int | None) -> int | None:
    """How many subsets are drawn where so many are asked for; None where all are taken."""
    if asked is None:
        return None if 2**n_heads <= EXACT else PER_HEAD * n_heads
    return None if asked >= 2**n_heads else asked + asked % PAIR


def n_ablated(n_heads: int, asked: int | None) -> int:
    """How many subsets are ablated."""
    return n_drawn(n_heads, asked) or 2**n_heads


def n_passes(n_layers: int, n_heads: int, asked: int | None) -> float:
    """What ablating the subsets costs, in passes through the model, where each layer has `n_heads`.

    They are replayed as a tree: a block is run up to `z` for each choice of heads below it, and from there on for each
    choice that includes its own.
    """
    n_subsets = n_ablated(n_layers * n_heads, asked)
    n_nodes = [min(n_subsets, 2 ** (n_heads * layer)) for layer in range(n_layers + 1)]
    first_parts = UP_TO_Z * sum(n_nodes[:-1])
    others = (1 - UP_TO_Z) * (sum(n_nodes[1:-1]) + AT_SLOTS * n_nodes[-1])
    return (first_parts + others) / n_layers
