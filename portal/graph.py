"""Steps and what they wait for, laid out in layers for a picture: plain numbers, the template draws."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, GAP_X, GAP_Y = 300, 54, 18, 34


@dataclass(frozen=True)
class Node:
    """Corner of a box, and what stands in it."""

    x: int
    y: int
    name: str
    title: str
    state: str


@dataclass(frozen=True)
class Graph:
    """A picture of ``width`` by ``height`` with boxes ``box`` wide; ``edges`` run from the foot of one box to the head of another."""

    width: int
    height: int
    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int, int, int], ...]
    box: int = WIDTH


def lay_out(steps: Sequence[tuple[str, str, Sequence[str], str]]) -> Graph:
    """``steps`` are (name, title, names it waits for, state), each after those it waits for."""
    level: dict[str, int] = {}
    for name, _, waits_for, _ in steps:
        level[name] = 1 + max((level[other] for other in waits_for if other in level), default=-1)
    layers = [[step for step in steps if level[step[0]] == depth] for depth in range(max(level.values(), default=-1) + 1)]
    width = max((len(layer) for layer in layers), default=1) * (WIDTH + GAP_X) - GAP_X
    nodes: dict[str, Node] = {}
    for depth, layer in enumerate(layers):
        left = (width - (len(layer) * (WIDTH + GAP_X) - GAP_X)) // 2
        for place, (name, title, _, state) in enumerate(layer):
            nodes[name] = Node(left + place * (WIDTH + GAP_X), depth * (HEIGHT + GAP_Y), name, title, state)
    edges = tuple(
        (nodes[other].x + WIDTH // 2, nodes[other].y + HEIGHT, nodes[name].x + WIDTH // 2, nodes[name].y)
        for name, _, waits_for, _ in steps
        for other in waits_for
        if other in nodes
    )
    return Graph(width, max(len(layers), 1) * (HEIGHT + GAP_Y) - GAP_Y, tuple(nodes.values()), edges)
