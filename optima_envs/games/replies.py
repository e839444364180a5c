"""World replies: games in which the environment itself says something back.

A game may have ``respond(inst, turns) -> Turn | None``, pure like all rules: the world's reply to ``turns``, which end
with agents' turns, or None when it has nothing to say. The reply is a turn of the reserved speaker ``environment``; it
holds no tokens and no ids, so no count of sampled tokens sees it and no training row puts loss on it.

Such a game may also have ``faults(inst, turns)``, which counts by name what was wrong with agents' actions (kept as
``Episode.info["faults"]``), and ``effect(inst, turns, turn)``, what a turn said after ``turns`` does: a tree of
dialogues takes two turns for the same one only if that is equal, however alike their words are.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ..records import ENVIRONMENT, Instance, Turn
from .rules import Rules, Turns


@runtime_checkable
class Responds(Protocol):
    """Rules whose world answers back."""

    def respond(self, inst: Instance, turns: Turns) -> Turn | None:
        """The world's reply to ``turns``, if it has one."""
        ...


def reply(text: str) -> Turn:
    """A turn of the world."""
    return Turn(ENVIRONMENT, text)


def replied(rules: Rules, inst: Instance, turns: Turns) -> Turns:
    """``turns`` and the world's reply to them, if it has one. Raises ValueError for a reply that is no world's turn."""
    respond = getattr(rules, "respond", None)
    said = None if respond is None else respond(inst, turns)
    if said is None:
        return turns
    if said.agent != ENVIRONMENT or said.tokens or said.ids or said.prompt_ids:
        raise ValueError(f"respond() must give a turn of {ENVIRONMENT!r} without tokens, got one of {said.agent!r}")
    return (*turns, said)
