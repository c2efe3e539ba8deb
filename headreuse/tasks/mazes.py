"""Tasks on mazes: the shortest path between two nodes of a tree, and the trace of a depth-first search between them.

A maze of n nodes is a part of a uniform spanning tree of a square grid. A prompt is its adjacency list, then the start,
the end and `=`. An entry of the list is a node, its neighbours and `,`. Both tasks have prompts such as
`[2][3][10][1],[9][1],[10][2],[1][9][2],[3][2],[9][10]=`: the maze with the edges [9]–[1], [1]–[2], [2]–[3] and
[2]–[10], the start [9] and the end [10]. Entries are in random order, and so are the neighbours of each node.
"""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np
from jaxtyping import Bool, Int

from headreuse.tasks._maze_text import depth_first_trace, read_question, shortest_path
from headreuse.tasks._rows import side_by_side
from headreuse.tasks._trees import grid_neighbours, joining_order, rerooted, uniform_spanning_trees, ways_to_root
from headreuse.tasks.base import BLANK, Examples, Task, task

Lengths = Int[np.ndarray, "maze"]
Rows = Int[np.ndarray, "maze width"]

ORDERS = np.array(list(permutations(range(4))))
"""Every order of the four sides of a node."""


@dataclass(frozen=True)
class Mazes:
    """Trees on the nodes of a grid, with the order in which they are printed; nodes count from 0, row by row."""

    tree: Int[np.ndarray, "maze node"]
    """For each node the next one on its way to the end, for the end itself; ignored outside the maze."""
    printed: Int[np.ndarray, "maze entry"]
    """The nodes of the maze in the order of their entries, then `BLANK`."""
    beside: Int[np.ndarray, "maze node 4"]
    """Each node's neighbours in the order of print, with `BLANK` anywhere between; ignored outside the maze."""
    start: Int[np.ndarray, "maze"]
    end: Int[np.ndarray, "maze"]

    @cached_property
    def paths(self) -> Rows:
        """The nodes from start to end, both included, then `BLANK`."""
        return ways_to_root(self.tree, self.start)


def draw_mazes(n_nodes: Lengths, grid_size: int, generator: np.random.Generator) -> Mazes:
    """Mazes of the given numbers of nodes, each with two different nodes as start and end.

    A maze is the first n nodes that join a uniform spanning tree (`joining_order`). Only a maze of all nodes of the
    grid is uniform over all trees of its size. A smaller one is made of whole walks to the root and a part of one more,
    so small mazes seldom branch.
    """
    maze = np.arange(len(n_nodes))
    trees = uniform_spanning_trees(len(n_nodes), grid_size, grid_size, generator)
    joined = joining_order(trees, generator)
    first = generator.integers(n_nodes)
    second = (first + generator.integers(1, n_nodes)) % n_nodes
    start, end = joined[maze, first], joined[maze, second]
    trees = rerooted(trees, end)
    inside = np.empty(trees.shape, dtype=bool)
    np.put_along_axis(inside, joined, np.arange(trees.shape[1]) < n_nodes[:, None], axis=1)
    sides = ORDERS[generator.integers(len(ORDERS), size=trees.shape)]
    beside = np.take_along_axis(_beside(trees, inside, grid_size), sides, axis=2)
    return Mazes(trees, _shuffled(joined, n_nodes, generator), beside, start, end)


class MazeTask(Task):
    """An adjacency list, a start and an end, then `=`; the length is the number of nodes of the maze.

    Both tasks of the family draw the same prompts from the same generator.
    """

    min_length = 3
    """With two nodes there is no path to find: one is the start, the other the end."""
    separators = frozenset(",=")

    def __init__(self, *, alphabet_size: int = 26, grid_size: int = 8) -> None:
        super().__init__(alphabet_size=alphabet_size, grid_size=grid_size)
        if grid_size < 2:
            raise ValueError(f"grid_size is {grid_size}; {self.name} needs at least 2")

    @property
    def max_length(self) -> int:
        """The number of nodes of the grid."""
        return self.grid_size**2

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The nodes row by row, `,`, `=`."""
        return (*(f"[{node + 1}]" for node in range(self.max_length)), ",", "=")

    def check_lengths(self, lengths: Lengths) -> None:
        """Raise for lengths below the shortest or above the number of nodes of the grid."""
        super().check_lengths(lengths)
        if len(lengths) and lengths.max() > self.max_length:
            raise ValueError(
                f"{self.name} has no examples of length {lengths.max()}; its longest have length {self.max_length}, "
                f"all nodes of a grid of {self.grid_size}×{self.grid_size}"
            )

    def generate(self, lengths: Lengths, generator: np.random.Generator) -> Examples:
        """Mazes of `draw_mazes`; in the corrupted partner a random node of the path has another name.

        It is a name that the maze lacks; if the maze has all names, two nodes exchange theirs. So both tasks have the
        same partners, and every path and trace keeps its length. The edges of partners need not be edges of the grid.
        """
        self.check_lengths(lengths)
        mazes = draw_mazes(lengths, self.grid_size, generator)
        prompt, answer = self._prompt(mazes), self.visited(mazes)
        renamed = _renamed(mazes, len(self.alphabet), generator)
        maze = np.arange(len(lengths))[:, None]
        return Examples(prompt, answer, renamed[maze, prompt], renamed[maze, answer])

    @abstractmethod
    def visited(self, mazes: Mazes) -> Rows:
        """The nodes of each answer, then `BLANK`."""

    def _prompt(self, mazes: Mazes) -> Rows:
        nodes = mazes.printed[:, :, None]
        comma, equals = self.max_length, self.max_length + 1
        maze = np.arange(len(nodes))[:, None]
        entries = np.concatenate([nodes, mazes.beside[maze, mazes.printed], np.full_like(nodes, comma)], axis=2)
        entries[mazes.printed == BLANK] = BLANK
        return side_by_side(
            [entries.reshape(len(nodes), 6 * nodes.shape[1]), mazes.start[:, None], mazes.end[:, None], equals]
        )


@task("shortest_path")
class ShortestPath(MazeTask):
    """The nodes of the path from start to end, both included.

    `[2][3][10][1],[9][1],[10][2],[1][9][2],[3][2],[9][10]=` → `[9][1][2][10]`
    """

    def answer(self, prompt: str) -> str:
        """The path through the prompt's maze."""
        return "".join(shortest_path(read_question(prompt, self.name, self.max_length)))

    def visited(self, mazes: Mazes) -> Rows:
        """The nodes of the paths."""
        return mazes.paths


@task("dfs_trace")
class DfsTrace(MazeTask):
    """The nodes that a depth-first search visits from start to end, steps back included.

    From a node it goes to the first neighbour, in the order of print, that it has not visited; if there is none, back.
    `[2][3][10][1],[9][1],[10][2],[1][9][2],[3][2],[9][10]=` → `[9][1][2][3][2][10]`
    """

    def answer(self, prompt: str) -> str:
        """The trace through the prompt's maze."""
        return "".join(depth_first_trace(read_question(prompt, self.name, self.max_length)))

    def visited(self, mazes: Mazes) -> Rows:
        """The nodes of the traces, steps back included."""
        # In a tree a search leaves each node along its edges in a fixed order, whatever it met on the way (`_exits`).
        # So the next step follows from the node and from how often the search has left it.
        maze = np.arange(len(mazes.start))
        exits = _exits(mazes)
        n_left = np.zeros(mazes.tree.shape, dtype=int)
        node = mazes.start
        trace = [node]
        while (searching := node != mazes.end).any():
            following = exits[maze, node, n_left[maze, node]]
            n_left[maze, node] += searching
            node = np.where(searching, following, node)
            trace.append(np.where(searching, following, BLANK))
        return np.stack(trace, axis=1)


def _exits(mazes: Mazes) -> Int[np.ndarray, "maze node 4"]:
    """Where a search from the start goes when it leaves a node for the first, second… time: at last back."""
    back = rerooted(mazes.tree, mazes.start)[:, :, None]
    # Stable sorting keeps the order of print among the neighbours ahead; then comes the one behind, then the blanks.
    late = np.where(mazes.beside == BLANK, 2, mazes.beside == back)
    return np.take_along_axis(mazes.beside, np.argsort(late, axis=2, kind="stable"), axis=2)


def _beside(
    trees: Int[np.ndarray, "maze node"], inside: Bool[np.ndarray, "maze node"], grid_size: int
) -> Int[np.ndarray, "maze node 4"]:
    """The neighbour of each node in the maze on each of its four sides; `BLANK` where there is none."""
    neighbours = grid_neighbours(grid_size, grid_size)
    nodes = np.arange(grid_size**2)[:, None]
    joined = (trees[:, :, None] == neighbours) | (trees[:, neighbours] == nodes)
    return np.where(joined & (neighbours != BLANK) & inside[:, neighbours], neighbours, BLANK)


def _shuffled(
    joined: Int[np.ndarray, "maze node"], n_nodes: Lengths, generator: np.random.Generator
) -> Int[np.ndarray, "maze entry"]:
    """The first `n_nodes` of each row in random order, then `BLANK`."""
    place = np.arange(n_nodes.max(initial=0))
    order = np.argsort(np.where(place < n_nodes[:, None], generator.random((len(n_nodes), len(place))), 1), axis=1)
    return np.where(place < n_nodes[:, None], np.take_along_axis(joined, order, axis=1), BLANK)


def _renamed(mazes: Mazes, n_symbols: int, generator: np.random.Generator) -> Int[np.ndarray, "maze symbol"]:
    """For each symbol, and last for `BLANK`, the symbol that replaces it in the corrupted partner."""
    # The smallest of random numbers chooses the new name. Names that the maze has get 1 more, so a free name wins if
    # there is one; the node's old name cannot win.
    maze = np.arange(len(mazes.start))
    node = mazes.paths[maze, generator.integers((mazes.paths != BLANK).sum(axis=1))]
    names = generator.random(mazes.tree.shape)
    taken = np.zeros((len(maze), mazes.tree.shape[1] + 1))
    taken[maze[:, None], mazes.printed] = 1
    names += taken[:, :-1]
    names[maze, node] = np.inf
    other = names.argmin(axis=1)
    renamed = np.tile(np.append(np.arange(n_symbols), BLANK), (len(maze), 1))
    renamed[maze, node], renamed[maze, other] = other, node
    return renamed
