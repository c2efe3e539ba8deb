"""Uniform spanning trees of a grid by Wilson's algorithm, many at once, and what mazes need of trees.

A tree is a row of arrows: for each node of the grid, numbered row by row, the next node on its way to the root; for the
root, the root itself. Any node can be the root: it only says where the arrows lead.
"""

import numpy as np
from jaxtyping import Bool, Int

from headreuse.tasks.base import BLANK

Trees = Int[np.ndarray, "tree node"]
NodeOfEach = Int[np.ndarray, "tree"]

N_CHOICES = 12
"""Divisible by 2, 3 and 4, the numbers of neighbours that a node of a grid has."""


def grid_neighbours(rows: int, columns: int) -> Int[np.ndarray, "node 4"]:
    """The node above, left, right and below each node; `BLANK` where the grid ends."""
    bordered = np.full((rows + 2, columns + 2), BLANK)
    bordered[1:-1, 1:-1] = np.arange(rows * columns).reshape(rows, columns)
    sides = (bordered[:-2, 1:-1], bordered[1:-1, :-2], bordered[1:-1, 2:], bordered[2:, 1:-1])
    return np.stack([side.ravel() for side in sides], axis=1)


def uniform_spanning_trees(n_trees: int, rows: int, columns: int, generator: np.random.Generator) -> Trees:
    """Trees drawn uniformly from all spanning trees of a grid, with independent uniform roots.

    Wilson 1996, "Generating random spanning trees more quickly than the cover time".
    """
    # This is the cycle popping of Wilson's proof. Every node except the root has a stack of random arrows, of which the
    # top one shows. While the arrows that show have a cycle, those of the cycle are taken off their stacks. Loop-erased
    # random walks take off one cycle after the other; his theorem is that the order does not matter, since the same
    # cycles go and the same uniform tree is left. So all cycles of all trees can go at once. To draw an arrow again is
    # to take it off its stack.
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
    """The nodes of each tree in the order in which they join in Wilson's algorithm with random starts of walks.

    The root comes first. Then a walk starts at a uniform node outside the tree and follows the arrows to the tree; its
    nodes join *from the tree outwards*. So the first n nodes are a connected tree for every n: if the n-th node is
    reached within a walk, the part of the walk nearest to the tree is kept.
    """
    n_trees, n_nodes = trees.shape
    # Uniform starts outside the tree are the nodes in random order, without those that have joined already. A node
    # joins with the earliest walk that passes it, which is the earliest that starts in the subtree behind it. Within a
    # walk, nodes nearer to the root join first. So the order is by (first walk, depth), and depth is below n_nodes.
    # Each round passes the minimum on to, and takes the depth from, the node `above`, which is then twice as far away.
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
    # Only the arrows on the way from the new root to the old one turn round.
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
    """The neighbours of each node, repeated equally often to make `N_CHOICES` of them."""
    choices = []
    for neighbours in grid_neighbours(rows, columns):
        present = neighbours[neighbours != BLANK]
        choices.append(np.resize(present, N_CHOICES))
    return np.stack(choices)


def _on_cycle(arrows: Trees) -> Bool[np.ndarray, "tree node"]:
    """Nodes from which the arrows lead back to the node itself; the root is one of them."""
    # After as many steps as there are nodes every walk is on a cycle, and from a node of a cycle the walk ends on the
    # same cycle. So the nodes that are reached are exactly those on cycles.
    reached = _flat(arrows)
    for _ in range(_n_doublings(arrows.shape[1])):
        reached = reached[reached]
    on_cycle = np.zeros(arrows.size, dtype=bool)
    on_cycle[reached] = True
    return on_cycle.reshape(arrows.shape)


def _flat(arrows: Trees) -> Int[np.ndarray, "tree*node"]:
    """Arrows as indices into the flattened array of all trees."""
    return (arrows + arrows.shape[1] * np.arange(len(arrows))[:, None]).ravel()


def _n_doublings(n_nodes: int) -> int:
    """How often one step must be doubled to give at least `n_nodes` steps."""
    return (n_nodes - 1).bit_length()
