"""Rules: the pure game. A dialogue's whole state is (instance, turns), so replay, resume, tree search and
baselines share one source of truth and never copy an environment."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from ..records import Instance, Outcome, Said, Turn, View

Turns = tuple[Turn, ...]
Order = Literal["alternating", "simultaneous"]


@runtime_checkable
class Rules(Protocol):
    """Who speaks, what each agent sees, and when it is over. Same inputs, same outputs; no side effects.

    ``max_turns`` is a promise: the most messages of a dialogue, of all agents together. A round of several speakers
    that has begun may be finished; what goes on after that is stopped as a fault of the rules (see ``Scenario``).

    Rules may also have ``token_budget`` (int or None), and ``steady_views = True``: then nothing in a view changes
    while a dialogue goes on but what was said and ``progress(turns)``, its (turn, turns_left, tokens_left), which are
    the same for every agent. An environment then asks for the rest once a dialogue.
    """

    @property
    def agents(self) -> tuple[str, ...]: ...

    @property
    def max_turns(self) -> int: ...

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
