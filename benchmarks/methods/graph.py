"""Directed acyclic graphs over nodes 0 .. n-1, whose edges run from lower to higher numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

Edge = tuple[int, int]


def chain(nodes: int, rng: random.Random) -> list[Edge]:
    """0 -> 1 -> 2 -> ..."""
    return [(node, node + 1) for node in range(nodes - 1)]


def star(nodes: int, rng: random.Random) -> list[Edge]:
    """0 -> each of the others."""
    return [(0, node) for node in range(1, nodes)]


def scattered(nodes: int, rng: random.Random) -> list[Edge]:
    """From ``nodes - 1`` to all possible edges, drawn without favour (MacNet's generate_graph.py)."""
    space = [(low, high) for high in range(nodes) for low in range(high)]
    return sorted(rng.sample(space, rng.randint(nodes - 1, len(space))))


TOPOLOGIES: dict[str, Callable[[int, random.Random], list[Edge]]] = {"chain": chain, "star": star, "random": scattered}


def sources(node: int, edges: Sequence[Edge]) -> list[int]:
    """Nodes with an edge to ``node``."""
    return [low for low, high in edges if high == node]


def layers(nodes: int, edges: Sequence[Edge]) -> list[list[int]]:
    """Nodes by the length of the longest way to them: each layer depends on earlier ones alone."""
    depth: list[int] = []
    for node in range(nodes):
        depth.append(max((depth[source] + 1 for source in sources(node, edges)), default=0))
    return [[node for node in range(nodes) if depth[node] == level] for level in range(max(depth) + 1)]


def sinks(nodes: int, edges: Sequence[Edge]) -> list[int]:
    """Nodes that no edge leaves."""
    inner = {low for low, _ in edges}
    return [node for node in range(nodes) if node not in inner]
