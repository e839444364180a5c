"""Context splitting: who is given which paragraph (paper section 3: the answer can only be found by exchanging
information).

One seed, one instance id: one split, on every machine. Every paragraph goes to exactly one agent. The supporting ones
are dealt in turn, so that with two of them no agent holds both; the others fill up whoever holds the fewest paragraphs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Paragraph:
    """A unit of context; ``gold`` marks supporting evidence."""

    title: str
    text: str
    gold: bool = False

    def __str__(self) -> str:
        return f"{self.title}: {self.text}" if self.title else self.text


def rng_for(seed: int, instance_id: str) -> random.Random:
    """The instance's own generator; strings are hashed with SHA-512 by ``random``, the same everywhere."""
    return random.Random(f"split/{seed}/{instance_id}")


def deal(
    paragraphs: Sequence[Paragraph], agents: Sequence[str], instance_id: str, *, seed: int = 0
) -> dict[str, list[Paragraph]]:
    """Hand each paragraph to one agent, in an order that does not tell which ones matter.

    Supporting paragraphs go round the agents in their given order, starting at a random one. Numbers of paragraphs
    differ by at most one between agents, unless the supporting ones alone are more uneven.
    """
    rng = rng_for(seed, instance_id)
    order = list(agents)
    rng.shuffle(order)
    halves: dict[str, list[Paragraph]] = {agent: [] for agent in agents}
    for i, paragraph in enumerate(p for p in paragraphs if p.gold):
        halves[order[i % len(order)]].append(paragraph)
    rest = [p for p in paragraphs if not p.gold]
    rng.shuffle(rest)
    for paragraph in rest:
        fewest = min(len(held) for held in halves.values())
        halves[rng.choice([agent for agent in order if len(halves[agent]) == fewest])].append(paragraph)
    for held in halves.values():
        rng.shuffle(held)
    return halves


def deal_lines(count: int, agents: Sequence[str], instance_id: str, *, seed: int = 0) -> dict[str, list[int]]:
    """Random equal shares of ``count`` numbered lines, each share in reading order."""
    rng = rng_for(seed, instance_id)
    lines = list(range(count))
    rng.shuffle(lines)
    order = list(agents)
    rng.shuffle(order)
    return {agent: sorted(lines[order.index(agent) :: len(order)]) for agent in agents}


def cut_lines(count: int, agents: Sequence[str]) -> dict[str, list[int]]:
    """The reference code's way with CBT: contiguous shares, first lines to the first agent."""
    cuts = [round(i * count / len(agents)) for i in range(len(agents) + 1)]
    return {agent: list(range(cuts[i], cuts[i + 1])) for i, agent in enumerate(agents)}


def held_titles(halves: dict[str, list[Paragraph]]) -> dict[str, dict[str, list[str]]]:
    """For the record: the titles each agent holds, and those of them that support the answer."""
    return {
        "held": {agent: [p.title for p in held] for agent, held in halves.items()},
        "gold": {agent: [p.title for p in held if p.gold] for agent, held in halves.items()},
    }
