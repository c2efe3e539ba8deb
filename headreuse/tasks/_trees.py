"""Uniform spanning trees of a grid by Wilson's algorithm, many side by side, and what mazes need of trees.

A tree is a row of arrows: for each node of the grid, numbered row by row, the next node on its way to the root, and for
the root itself. The root says where the arrows lead and is no other property of the tree.
"""

import numpy as np
from jaxtyping import Bool, Int

from headreuse.tasks.base import BLANK

Trees = Int[np.ndarray, "tree node"]
NodeOfEach = Int[np.ndarray, "tree"]

N_CHOICES = 12
"""Divisible by every number of neighbours that a node of a grid has."""


def grid_neighbours(rows: int, columns: int) -> Int[np.ndarray, "node 4"]:
    """The node above, left, right and below each node; `BLANK` where the grid ends."""
    bordered = np.full((rows + 2, columns + 2), BLANK)
    bordered[1:-1, 1:-1] = np.arange(rows * columns).reshape(rows, columns)
    sides = (bordered[:-2, 1:-1], bordered[1:-1, :-2], bordered[1:-1, 2:], bordered[2:, 1:-1])
    return np.stack([side.ravel() for side in sides], axis=1)


def uniform_spanning_trees(n_trees: int, rows: int, columns: int, generator: np.random.Generator) -> Trees:
    """Trees drawn uniformly from all spanning trees of a grid, with independent uniform roots.

    Wilson's algorithm in the form of his proof ("Generating random spanning trees more quickly than the cover time",
    1996): every node but the root draws an arrow, and the nodes of a cycle draw again until there is none. To erase the
    loops of random walks is to clear the cycles in one order, and the order does not change which tree is left; here
    all cycles of all trees go at once.
    """
    n_nodes = rows * columns
    choices = _arrow_choices(rows, columns)
    arrows = choices[np.arange(n_nodes), generator.integers(N_CHOICES, size=(n_trees, n_nodes))]
    roots = generator.integers(n_nodes, size=n_trees)
    arrows[np.arange(n_trees), roots] = roots
    unfinished = np.arange(n_trees)
    while len(unfinished):
        circling = _on_cycle(arrows[unfinished])
        circling[np.arange(len(unfinished)), roots[unfinished]] = False
        tree, node = circling.nonzero()
        arrows[unfinished[tree], node] = choices[node, generator.integers(N_CHOICES, size=len(node))]
        unfinished = unfinished[circling.any(axis=1)]
    return arrows


def joining_order(trees: Trees, generator: np.random.Generator) -> Trees:
    """The nodes of each tree in the order in which Wilson's algorithm takes them in, walking from random nodes.

    The root comes first. Then a walk sets out from a node drawn uniformly from those outside and comes to the tree
    along the arrows; the nodes of its way join *from the tree outwards*. So the first n are a connected tree for every
    n: where n is reached within a walk, the part of it nearest the tree is kept.
    """
    n_trees, n_nodes = trees.shape
    # The first walk through a node is the earliest of those that set out from the nodes above it.
    first_walk = np.argsort(generator.random(trees.shape), axis=1).ravel()
    above = _flat(trees)
    depth = (above != np.arange(above.size)).astype(int)
    for _ in range(_n_doublings(n_nodes)):
        np.minimum.at(first_walk, above, first_walk.copy())
        depth += depth[above]
        above = above[above]
    return np.argsort((first_walk * n_nodes + depth).reshape(n_trees, n_nodes), axis=1)


def rerooted(trees: Trees, roots: NodeOfEach) -> Trees:
    """The same trees with their arrows leading to `roots`."""
    tree = np.arange(len(trees))
    turned = trees.copy()
    turned[tree, roots] = roots
    behind, node = roots, trees[tree, roots]
    while (unturned := node != behind).any():
        turned[tree[unturned], node[unturned]] = behind[unturned]
        behind, node = node, trees[tree, node]
    return turned


def ways_to_root(trees: Trees, starts: NodeOfEach) -> Int[np.ndarray, "tree width"]:
    """The nodes from each start to the root of its tree, both included, then `BLANK`."""
    tree = np.arange(len(trees))
    node, following = starts, trees[tree, starts]
    way = [node]
    while (under_way := node != following).any():
        way.append(np.where(under_way, following, BLANK))
        node, following = following, trees[tree, following]
    return np.stack(way, axis=1)


def _arrow_choices(rows: int, columns: int) -> Int[np.ndarray, "node choice"]:
    """The neighbours of each node, each as often as the others."""
    choices = []
    for neighbours in grid_neighbours(rows, columns):
        present = neighbours[neighbours != BLANK]
        choices.append(np.resize(present, N_CHOICES))
    return np.stack(choices)


def _on_cycle(arrows: Trees) -> Bool[np.ndarray, "tree node"]:
    """Nodes that arrows lead back to, the root too: those still reached after as many steps as there are nodes."""
    reached = _flat(arrows)
    for _ in range(_n_doublings(arrows.shape[1])):
        reached = reached[reached]
    on_cycle = np.zeros(arrows.size, dtype=bool)
    on_cycle[reached] = True
    return on_cycle.reshape(arrows.shape)


def _flat(arrows: Trees) -> Int[np.ndarray, "tree*node"]:
    """Arrows as indices into the raveled array."""
    return (arrows + arrows.shape[1] * np.arange(len(arrows))[:, None]).ravel()


def _n_doublings(n_nodes: int) -> int:
    """How often one step must be doubled to be at least `n_nodes` steps."""
    return (n_nodes - 1).bit_length()
