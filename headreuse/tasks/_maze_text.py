"""Mazes as text, read and answered one at a time in plain Python: the generator is checked against this."""

import re
from collections import Counter, deque
from dataclasses import dataclass

EXAMPLE = "[2][3][10][1],[9][1],[10][2],[1][9][2],[3][2],[9][10]="

_NODE = re.compile(r"\[\d+\]")
_PROMPT = re.compile(r"((?:(?:\[\d+\]){2,},)+)(\[\d+\])(\[\d+\])=")


@dataclass(frozen=True)
class Question:
    """What a prompt says; nodes are text such as `[17]`."""

    neighbours: dict[str, list[str]]
    """In the order of the adjacency list."""
    start: str
    end: str


def read_question(prompt: str, task_name: str, n_names: int) -> Question:
    """A prompt's question; a `ValueError` says why a text is no prompt about a tree with nodes up to `n_names`."""
    matched = _PROMPT.fullmatch(prompt)
    if not matched:
        raise ValueError(
            f"{prompt!r} is not a prompt of {task_name}; give each node with its neighbours and ',', then start, end "
            f"and '=', such as {EXAMPLE!r}"
        )
    listed, start, end = matched.groups()
    known = {f"[{number}]" for number in range(1, n_names + 1)}
    if strange := [node for node in _NODE.findall(prompt) if node not in known]:
        raise ValueError(f"{strange[0]} is not a node of {task_name}; use [1]–[{n_names}]")
    entries = [_NODE.findall(entry) for entry in listed.split(",")[:-1]]
    question = Question({node: neighbours for node, *neighbours in entries}, start, end)
    if reason := _contradiction([node for node, *_ in entries], question):
        raise ValueError(f"the text is not a prompt of {task_name}: {reason}")
    return question


def shortest_path(question: Question) -> list[str]:
    """The nodes from start to end, by a breadth-first search from the end."""
    onward = {question.end: question.end}
    waiting = deque(onward)
    while waiting:
        node = waiting.popleft()
        fresh = [neighbour for neighbour in question.neighbours[node] if neighbour not in onward]
        onward |= dict.fromkeys(fresh, node)
        waiting.extend(fresh)
    path = [question.start]
    while path[-1] != question.end:
        path.append(onward[path[-1]])
    return path


def depth_first_trace(question: Question) -> list[str]:
    """Where a depth-first search is after each step, until it reaches the end; neighbours are tried in their order."""
    trace, way, seen = [question.start], [question.start], {question.start}
    while trace[-1] != question.end:
        fresh = next((node for node in question.neighbours[way[-1]] if node not in seen), None)
        if fresh is None:
            way.pop()
        else:
            way.append(fresh)
            seen.add(fresh)
        trace.append(way[-1])
    return trace


def _contradiction(listed: list[str], question: Question) -> str:
    """Why the question is not about two nodes of one tree; empty if it is."""
    neighbours = question.neighbours
    edges = Counter((node, other) for node in neighbours for other in neighbours[node])
    if repeated := [node for node, count in Counter(listed).items() if count > 1]:
        return f"{repeated[0]} has more than one entry; give it one"
    if doubled := [edge for edge, count in edges.items() if count > 1]:
        node, other = doubled[0]
        return f"the entry of {node} names {other} more than once; name it once"
    if one_way := [(node, other) for node, other in edges if (other, node) not in edges]:
        node, other = one_way[0]
        return f"the entry of {node} names {other}, but no entry of {other} names {node}; edges go both ways"
    if absent := [node for node in (question.start, question.end) if node not in neighbours]:
        return f"start or end {absent[0]} has no entry; ask about nodes of the maze"
    if question.start == question.end:
        return f"{question.start} is both start and end; ask about two nodes"
    if len(edges) != 2 * (len(neighbours) - 1) or not _connected(neighbours):
        return "its nodes are not one tree; connect them all, without a cycle"
    return ""


def _connected(neighbours: dict[str, list[str]]) -> bool:
    """Whether every node can be reached from the first."""
    reached = list(neighbours)[:1]
    for node in reached:
        reached.extend(other for other in neighbours[node] if other not in reached)
    return len(reached) == len(neighbours)
