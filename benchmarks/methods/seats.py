"""Seats: who answers in a method of many agents, what each of them may read, and how replies reach the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from optima_agents.backends.base import Message
from optima_agents.prompts import heard, messages
from optima_envs.records import Said, Turn

from .baseline import Session

Prompt = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    """The name its calls carry and its opening prompt: the task, private facts if it holds any, the question."""

    name: str
    prompt: Prompt


def seats(session: Session, count: int, hint: str | None = None) -> list[Seat]:
    """``count`` solvers. Seat ``i`` reads what agent ``i mod n`` of the environment reads, and no other's private text.

    A holder's second seat is called ``Alice2``, its third ``Alice3``; ``hint`` is one more instruction for all.
    """
    places = []
    for number in range(count):
        lap, place = divmod(number, len(session.agents))
        holder = session.agents[place]
        name = f"{holder}{lap + 1}" if lap else holder
        places.append(Seat(name, messages(replace(session.view(holder), agent=name), hint)))
    return places


def bystander(session: Session, name: str, task: str) -> Seat:
    """A seat that holds nothing private: it knows its ``task`` and the question alone."""
    opening = f"Question: {session.inst.question}"
    return Seat(name, ({"role": "system", "content": task}, {"role": "user", "content": opening}))


def told(prompt: Prompt, text: str) -> Prompt:
    """``prompt`` with ``text`` said to the agent; joined to a user message before it, as many templates need."""
    if prompt[-1]["role"] == "user":
        return (*prompt[:-1], {"role": "user", "content": f"{prompt[-1]['content']}\n\n{text}"})
    return (*prompt, {"role": "user", "content": text})


def replied(prompt: Prompt, turn: Turn) -> Prompt:
    """``prompt`` with the agent's own reply to it."""
    return (*prompt, {"role": "assistant", "content": turn.text})


def pasted(turns: Iterable[Turn]) -> str:
    """Replies as text for another agent, each under its speaker's name and unable to pose as anyone else's."""
    return "\n".join(heard(Said(turn.agent, turn.text)) for turn in turns)


def numbered(turns: Iterable[Turn]) -> str:
    """Replies as text under numbers from 1 in place of their speakers' names."""
    return "\n".join(heard(Said(f"Solution {number}", turn.text)) for number, turn in enumerate(turns, 1))
