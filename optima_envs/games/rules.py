"""Rules: the pure game. A dialogue's whole state is (instance, turns), so replay, resume, tree search and
baselines share one source of truth and never copy an environment."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from ..records import Instance, Outcome, Said, Turn, View

Turns = tuple[Turn, ...]
Order = Literal["alternating", "simultaneous"]


@runtime_checkable
class Rules(Protocol):
    """Who speaks, what each agent sees, and when it is over. Same inputs, same outputs; no side effects."""

    agents: tuple[str, ...]
    max_turns: int

    def speakers(self, inst: Instance, turns: Turns) -> tuple[str, ...]:
        """Agents that act now; more than one means they act at the same time, blind to each other."""
        ...

    def view(self, inst: Instance, turns: Turns, agent: str) -> View:
        """What ``agent`` may know after ``turns``."""
        ...

    def outcome(self, inst: Instance, turns: Turns) -> Outcome | None:
        """None while the dialogue goes on."""
        ...


def next_speakers(agents: tuple[str, ...], turns: Turns, order: Order) -> tuple[str, ...]:
    """Round robin over ``agents``; with ``simultaneous`` everybody speaks each round."""
    if order == "simultaneous":
        return agents
    return (agents[len(turns) % len(agents)],)


def said(turns: Turns) -> tuple[Said, ...]:
    """Turns with all that is private to their speaker (ids, prompts) left out."""
    return tuple([Said(turn.agent, turn.text) for turn in turns])


def tokens_left(turns: Turns, budget: int | None) -> int | None:
    """Tokens of the budget not yet spent (never below 0); None without a budget."""
    return None if budget is None else max(0, budget - sum(turn.tokens for turn in turns))
