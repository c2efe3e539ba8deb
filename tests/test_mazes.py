"""Mazes against slow walks, the graph library of scipy, and worked examples.

Covers `tasks/mazes.py`, `tasks/_trees.py`, `tasks/_maze_text.py`.
"""

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, depth_first_order, shortest_path
from scipy.stats import chi2_contingency, chisquare

from headreuse.tasks import BLANK, TASKS
from headreuse.tasks._trees import grid_neighbours, joining_order, rerooted, uniform_spanning_trees, ways_to_root
from headreuse.tasks.mazes import draw_mazes

FAMILY = ("shortest_path", "dfs_trace")
SMALLEST_P = 1e-3
"""Seeds are fixed, so a test always fails or never does; one in a thousand would fail by chance."""


@st.composite
def drawn(draw):
    """A grid size, a few lengths that fit it, and a seed."""
    grid_size = draw(st.integers(2, 6))
    lengths = draw(st.lists(st.integers(3, grid_size**2), min_size=1, max_size=12))
    return grid_size, np.array(lengths), draw(st.integers(0, 2**32))


def generate(name: str, grid_size: int, lengths, seed: int):
    task = TASKS[name](grid_size=grid_size)
    return task, task.generate(np.asarray(lengths), np.random.default_rng(seed))


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\[(\d+)\]", text)]


def read(prompt: str) -> tuple[dict[int, list[int]], int, int]:
    *entries, asked = map(numbers, prompt.removesuffix("=").split(","))
    return {node: neighbours for node, *neighbours in entries}, *asked


def mazes(drawn) -> list[tuple[dict[int, list[int]], int, int]]:
    grid_size, lengths, seed = drawn
    task, examples = generate("shortest_path", grid_size, lengths, seed)
    return [read(task.text(prompt)) for prompt in examples.prompt]


def matrix(neighbours: dict[int, list[int]], size: int) -> csr_array:
    """Edges in the order in which they are listed, which scipy's searches keep to."""
    listed = [neighbours.get(node, []) for node in range(size)]
    starts = np.cumsum([0, *map(len, listed)])
    ends = np.array([end for row in listed for end in row], dtype=np.int32)
    return csr_array((np.ones(len(ends)), ends, starts.astype(np.int32)), shape=(size, size))


def edges(tree, nodes) -> frozenset[tuple[int, int]]:
    kept = set(nodes)
    pairs = [(node, int(tree[node])) for node in kept if tree[node] != node and tree[node] in kept]
    return frozenset((min(pair), max(pair)) for pair in pairs)


def walked_tree(rows: int, columns: int, n_nodes: int, generator) -> frozenset[tuple[int, int]]:
    """Wilson's algorithm step by step: the loop-erased walk is laid at the tree, its part nearest the tree first."""
    neighbours = [[int(node) for node in row if node != BLANK] for row in grid_neighbours(rows, columns)]
    inside, joined = [int(generator.integers(rows * columns))], set()

    def one_of(nodes: list[int]) -> int:
        return nodes[generator.integers(len(nodes))]

    while len(inside) < n_nodes:
        walk = [one_of([node for node in range(rows * columns) if node not in inside])]
        while walk[-1] not in inside:
            step = one_of(neighbours[walk[-1]])
            walk = walk[: walk.index(step)] if step in walk else walk
            walk.append(step)
        for node, onward in list(pairwise(walk))[::-1][: n_nodes - len(inside)]:
            inside.append(node)
            joined.add((min(node, onward), max(node, onward)))
    return frozenset(joined)


def test_neighbours_in_a_grid_of_two_rows_and_three_columns_by_hand():
    expected = [[-1, -1, 1, 3], [-1, 0, 2, 4], [-1, 1, -1, 5], [0, -1, 4, -1], [1, 3, 5, -1], [2, 4, -1, -1]]
    assert grid_neighbours(2, 3).tolist() == expected


def test_all_15_spanning_trees_of_a_grid_of_two_by_three_are_equally_likely_with_every_root():
    trees = uniform_spanning_trees(18_000, 2, 3, np.random.default_rng(0))
    roots = (trees == np.arange(6)).argmax(axis=1)
    counts = Counter((edges(tree, range(6)), int(root)) for tree, root in zip(trees, roots, strict=True))
    by_tree = Counter(tree for tree, _ in counts.elements())
    assert len(by_tree) == 15
    assert chisquare(list(by_tree.values())).pvalue > SMALLEST_P
    assert len(counts) == 15 * 6
    assert chisquare(list(counts.values())).pvalue > SMALLEST_P


@pytest.mark.parametrize(("rows", "columns", "n_nodes"), [(2, 3, 3), (2, 3, 4), (3, 3, 4)])
def test_a_part_of_a_tree_is_as_likely_as_when_wilsons_walks_are_walked_and_stopped(rows, columns, n_nodes):
    generator = np.random.default_rng(1)
    trees = uniform_spanning_trees(20_000, rows, columns, generator)
    joined = joining_order(trees, generator)[:, :n_nodes].tolist()
    ours = Counter(edges(tree, nodes) for tree, nodes in zip(trees, joined, strict=True))
    walked = Counter(walked_tree(rows, columns, n_nodes, generator) for _ in range(2500))
    kinds = sorted(ours.keys() | walked.keys(), key=sorted)
    table = [[counts[kind] for kind in kinds] for counts in (ours, walked)]
    assert chi2_contingency(table).pvalue > SMALLEST_P


def test_a_part_of_a_tree_is_not_uniform_over_trees_of_its_size():
    generator = np.random.default_rng(2)
    trees = uniform_spanning_trees(10_000, 2, 3, generator)
    joined = joining_order(trees, generator)[:, :4].tolist()
    counts = Counter(edges(tree, nodes) for tree, nodes in zip(trees, joined, strict=True))
    assert chisquare(list(counts.values())).pvalue < 1e-6


@given(rows=st.integers(1, 5), columns=st.integers(1, 5), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_nodes_join_walk_by_walk_from_the_tree_outwards(rows, columns, seed):
    trees = uniform_spanning_trees(4, rows, columns, np.random.default_rng(seed))
    joined = joining_order(trees, np.random.default_rng(seed))
    turn = np.argsort(np.random.default_rng(seed).random(trees.shape), axis=1)
    for tree, order, turns in zip(trees, joined.tolist(), turn, strict=True):
        expected = [node for node in range(len(tree)) if tree[node] == node]
        for start in np.argsort(turns).tolist():
            walk = []
            while start not in expected:
                walk.append(start)
                start = int(tree[start])
            expected += walk[::-1]
        assert order == expected


@given(rows=st.integers(1, 5), columns=st.integers(1, 5), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_a_rerooted_tree_has_the_same_edges_and_leads_to_its_root(rows, columns, seed):
    generator = np.random.default_rng(seed)
    trees = uniform_spanning_trees(5, rows, columns, generator)
    roots, starts = generator.integers(rows * columns, size=(2, 5))
    turned = rerooted(trees, roots)
    for tree, old, root, start, way in zip(
        turned, trees, roots, starts, ways_to_root(turned, starts).tolist(), strict=True
    ):
        assert edges(tree, range(len(tree))) == edges(old, range(len(tree)))
        steps = [node for node in way if node != BLANK]
        assert steps == way[: len(steps)]
        assert (steps[0], steps[-1], tree[root]) == (start, root, root)
        assert all(tree[node] == onward for node, onward in pairwise(steps))


@given(drawn())
@settings(max_examples=40, deadline=None)
def test_a_maze_is_a_tree_of_exactly_n_nodes_joined_along_the_grid_with_another_end_than_start(drawn):
    grid_size, lengths, _ = drawn
    for n_nodes, (neighbours, start, end) in zip(lengths, mazes(drawn), strict=True):
        listed = {(node, other) for node in neighbours for other in neighbours[node]}
        assert len(neighbours) == n_nodes
        assert sum(map(len, neighbours.values())) == len(listed) == 2 * (n_nodes - 1), "no cycle, nothing twice"
        assert listed == {(other, node) for node, other in listed}
        n_parts, parts = connected_components(matrix(neighbours, grid_size**2 + 1))
        assert len({parts[node] for node in neighbours}) == 1, "connected"
        assert n_parts == grid_size**2 + 2 - n_nodes
        for pair in listed:
            (row, column), (other_row, other_column) = (divmod(node - 1, grid_size) for node in pair)
            assert abs(row - other_row) + abs(column - other_column) == 1
        assert start != end
        assert {start, end} <= neighbours.keys()


@given(drawn())
@settings(max_examples=40, deadline=None)
def test_both_tasks_have_the_same_prompts_and_the_same_partners(drawn):
    (_, path), (_, trace) = (generate(name, *drawn) for name in FAMILY)
    assert path.prompt.tolist() == trace.prompt.tolist()
    assert path.corrupted_prompt.tolist() == trace.corrupted_prompt.tolist()


@given(drawn())
@settings(max_examples=40, deadline=None)
def test_a_path_is_the_one_that_scipy_finds(drawn):
    grid_size, *_ = drawn
    task, examples = generate("shortest_path", *drawn)
    for (neighbours, start, end), answer in zip(mazes(drawn), examples.answer, strict=True):
        _, before = shortest_path(matrix(neighbours, grid_size**2 + 1), indices=start, return_predecessors=True)
        path = [end]
        while path[-1] != start:
            path.append(int(before[path[-1]]))
        assert numbers(task.text(answer)) == path[::-1]


@given(drawn())
@settings(max_examples=40, deadline=None)
def test_a_trace_walks_along_edges_and_first_comes_to_nodes_in_the_order_of_scipys_depth_first_search(drawn):
    grid_size, *_ = drawn
    task, examples = generate("dfs_trace", *drawn)
    for (neighbours, start, end), answer in zip(mazes(drawn), examples.answer, strict=True):
        trace = numbers(task.text(answer))
        order, before = depth_first_order(matrix(neighbours, grid_size**2 + 1), start)
        order = order.tolist()
        assert list(dict.fromkeys(trace)) == order[: order.index(end) + 1]
        assert trace.index(end) == len(trace) - 1, "it stops where the end is found"
        for node, onward in pairwise(trace):
            assert onward in neighbours[node]
            assert before[onward] == node or before[node] == onward


@given(drawn())
@settings(max_examples=20, deadline=None)
def test_a_trace_without_its_detours_is_the_path(drawn):
    (path_task, paths), (trace_task, traces) = (generate(name, *drawn) for name in FAMILY)
    for path, trace in zip(paths.answer, traces.answer, strict=True):
        direct: list[int] = []
        for node in numbers(trace_task.text(trace)):
            direct = [*direct[: direct.index(node)], node] if node in direct else [*direct, node]
        assert direct == numbers(path_task.text(path))


def test_a_search_leaves_each_branch_as_soon_as_it_is_exhausted_by_hand():
    # 1–2–3, and below them 4 under 1, 5 under 2, 6 under 3
    listed = "[5][2],[2][3][1][5],[6][3],[1][4][2],[3][2][6],[4][1]"
    task = TASKS["dfs_trace"](grid_size=3)
    assert task.answer(f"{listed},[2][5]=") == "[2][3][6][3][2][1][4][1][2][5]"
    assert task.answer(f"{listed},[5][4]=") == "[5][2][3][6][3][2][1][4]"
    assert task.answer(f"{listed},[4][2]=") == "[4][1][2]"
    assert TASKS["shortest_path"](grid_size=3).answer(f"{listed},[6][4]=") == "[6][3][2][1][4]"


def test_start_and_end_and_the_order_of_entries_and_of_neighbours_are_uniform():
    task, examples = generate("shortest_path", 2, [3] * 6000, seed=3)
    asked, entries, neighbours = Counter(), Counter(), Counter()
    for prompt in examples.prompt:
        listed, start, end = read(task.text(prompt))
        (middle,) = (node for node in listed if len(listed[node]) == 2)
        left, right = sorted(listed[middle])
        role = {left: "left", right: "right", middle: "middle"}
        asked[role[start], role[end]] += 1
        entries[tuple(role[node] for node in listed)] += 1
        neighbours[listed[middle][0] == left] += 1
    for counts, n_kinds in ((asked, 6), (entries, 6), (neighbours, 2)):
        assert len(counts) == n_kinds
        assert chisquare(list(counts.values())).pvalue > SMALLEST_P


def test_four_neighbours_are_equally_often_in_each_of_24_orders():
    beside_the_middle = draw_mazes(np.full(20_000, 9), 3, np.random.default_rng(4)).beside[:, 4]
    counts = Counter(map(tuple, beside_the_middle[(beside_the_middle != BLANK).all(axis=1)].tolist()))
    assert len(counts) == 24
    assert chisquare(list(counts.values())).pvalue > SMALLEST_P


@given(drawn())
@settings(max_examples=40, deadline=None)
def test_in_the_partner_one_node_of_the_path_has_a_name_that_the_maze_lacks_or_exchanges_its_own_in_a_full_grid(drawn):
    grid_size, lengths, _ = drawn
    for name in FAMILY:
        task, examples = generate(name, *drawn)
        for row, n_nodes in enumerate(lengths):
            prompt, partner = (task.text(rows[row]) for rows in (examples.prompt, examples.corrupted_prompt))
            answer, other_answer = (task.text(rows[row]) for rows in (examples.answer, examples.corrupted_answer))
            names = {*zip(numbers(prompt + answer), numbers(partner + other_answer), strict=True)}
            changed = {old: new for old, new in names if old != new}
            path = numbers(TASKS["shortest_path"](grid_size=grid_size).answer(prompt))
            assert re.sub(r"\d+", "", prompt) == re.sub(r"\d+", "", partner), "separators where they were"
            assert answer != other_answer
            assert changed.keys() & {*path}
            if n_nodes < grid_size**2:
                assert len(changed) == 1
                assert not {*changed.values()} & {*numbers(prompt)}
            else:
                assert changed == {new: old for old, new in changed.items()}
                assert len(changed) == 2


def test_any_node_of_the_path_may_get_any_name_that_is_free():
    task, examples = generate("shortest_path", 2, [3] * 6000, seed=5)
    place, width = Counter(), (examples.answer != BLANK).sum(axis=1)
    for answer, other in zip(examples.answer[width == 3], examples.corrupted_answer[width == 3], strict=True):
        place[int((answer != other).argmax())] += 1
    assert len(place) == 3
    assert chisquare(list(place.values())).pvalue > SMALLEST_P
    task, examples = generate("shortest_path", 3, [3] * 6000, seed=6)
    free = Counter()
    for prompt, partner in zip(examples.prompt, examples.corrupted_prompt, strict=True):
        old, new = numbers(task.text(prompt)), numbers(task.text(partner))
        (name,) = {*new} - {*old}
        free[sorted({*range(1, 10)} - {*old}).index(name)] += 1
    assert len(free) == 6
    assert chisquare(list(free.values())).pvalue > SMALLEST_P


@pytest.mark.parametrize("name", FAMILY)
def test_the_whole_grid_may_be_asked_for_and_no_more(name):
    task, examples = generate(name, 8, [64, 64], seed=0)
    assert examples.prompt.shape == (2, 4 * 64 + 1)
    assert task.max_length == 64
    with pytest.raises(
        ValueError, match=f"{name} has no examples of length 65; its longest have length 64, all nodes of a grid of 8×8"
    ):
        generate(name, 8, [3, 65], seed=0)


@pytest.mark.parametrize("name", FAMILY)
def test_a_prompt_of_n_nodes_has_4n_plus_1_symbols_and_short_rows_are_filled_with_blank(name):
    lengths = np.array([3, 20, 7])
    _, examples = generate(name, 8, lengths, seed=0)
    assert (examples.prompt != BLANK).sum(axis=1).tolist() == (4 * lengths + 1).tolist()
    for rows in (examples.prompt, examples.answer, examples.corrupted_prompt, examples.corrupted_answer):
        filled = rows != BLANK
        assert (filled == (np.arange(rows.shape[1]) < filled.sum(axis=1, keepdims=True))).all()
        assert filled[:, -1].any()


@pytest.mark.parametrize("name", FAMILY)
def test_no_lengths_make_no_examples(name):
    assert len(generate(name, 4, np.zeros(0, dtype=int), seed=0)[1].prompt) == 0


def test_a_grid_without_a_path_is_refused():
    with pytest.raises(ValueError, match="grid_size is 1; shortest_path needs at least 2"):
        TASKS["shortest_path"](grid_size=1)


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("", r"'' is not a prompt of dfs_trace; give each node .* such as '\[2\]\[3\]"),
        ("[1][2],[2][1],[1][2]", "is not a prompt of dfs_trace"),
        ("[1][2],[2][1],[1][2],=", "is not a prompt of dfs_trace"),
        ("[1][2][2][1],[1]=", "is not a prompt of dfs_trace"),
        ("[1],[2][1],[1][2]=", "is not a prompt of dfs_trace"),
        ("1 2,2 1,1 2=", "is not a prompt of dfs_trace"),
        ("[1][17],[17][1],[1][17]=", r"\[17\] is not a node of dfs_trace; use \[1\]–\[16\]"),
        ("[1][02],[02][1],[1][02]=", r"\[02\] is not a node"),
        ("[1][2],[2][1],[1][2],[1][2]=", r"\[1\] has more than one entry; give it one"),
        ("[1][2][2],[2][1],[1][2]=", r"the entry of \[1\] names \[2\] more than once"),
        ("[1][2],[2][1][3],[1][2]=", r"the entry of \[2\] names \[3\], but no entry of \[3\] names \[2\]"),
        ("[1][2],[2][1],[1][3]=", r"start or end \[3\] has no entry"),
        ("[1][2],[2][1],[1][1]=", r"\[1\] is both start and end"),
        ("[1][2][3],[2][1][3],[3][1][2],[1][2]=", "its nodes are not one tree; connect them all, without a cycle"),
        (
            "[1][2][3],[2][1][3],[3][1][2],[4][5],[5][4],[1][2]=",
            "its nodes are not one tree; connect them all, without a cycle",
        ),
    ],
)
def test_a_text_that_is_no_prompt_is_refused_with_the_reason(prompt, reason):
    with pytest.raises(ValueError, match=reason):
        TASKS["dfs_trace"](grid_size=4).answer(prompt)
