"""Rules: the pure game. A dialogue's whole state is (instance, turns), so replay, resume, tree search and
baselines share one source of truth and never copy an environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, cast, runtime_checkable

from ..records import Instance, Outcome, Said, Turn, View

Turns = tuple[Turn, ...]
"""All that was said in a dialogue, in order; with the instance, a game's whole state."""
_new = cast("Callable[[type[Said], tuple[str, str]], Said]", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
Order = Literal["alternating", "simultaneous"]


@runtime_checkable
class Rules(Protocol):
    """Who speaks, what each agent sees, and when it is over. Same inputs, same outputs; no side effects.

    ``max_turns`` is a promise: the most messages of a dialogue, of all agents together. A round of several speakers
    that has begun may be finished; what goes on after that is stopped as a fault of the rules (see ``Scenario``).

    Rules may also have ``token_budget`` (int or None), and ``steady_views = True``: then a view holds
    ``setting(inst, agent)``, (instructions, question, private), the same all through a dialogue; all that was said; and
    ``progress(turns)``, (turn, turns_left, tokens_left), the same for every agent. An environment asks for these then,
    and not for a view at every turn.
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
    # what Said(...) does, without its detour: every turn of every dialogue comes through here
    return tuple([_new(Said, (turn.agent, turn.text)) for turn in turns])


def tokens_left(turns: Turns, budget: int | None) -> int | None:
    """Tokens of the budget not yet spent (never below 0); None without a budget."""
    return None if budget is None else max(0, budget - sum(turn.tokens for turn in turns))
