"""Seats: who answers in a method of many agents, what each of them may read, and how replies reach the others."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.baseline import Session
from optima_agents.backends.base import Message
from optima_agents.prompts import ANSWER, heard, messages
from optima_envs.records import Said, Turn

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
    """A seat that holds nothing private and knows the question and its ``task`` alone."""
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
    """Replies as text without their speakers: ``Solution 1: ...``, for readers who refer to them by number."""
    return pasted(replace(turn, agent=f"Solution {number}") for number, turn in enumerate(turns, 1))


def stated_form(session: Session) -> str:
    """How the environment wants an answer written, such as ``<A> answer </A>``."""
    return ANSWER.get(session.view().answer_format, ANSWER["tag"])


async def together(calls: Iterable[Coroutine[Any, Any, Turn]]) -> list[Turn]:
    """Calls at the same time, begun in the order given. Raises the first failure, in that order, once all ended."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if isinstance(result, Turn)]


def whole(session: Session, option: str, least: int) -> int:
    """A whole-number option. Raises ValueError naming it when it is none, or under ``least``."""
    value = session.options[option]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"baseline {session.method.name}: {option} must be a whole number from {least}, got {value!r}")
    return value


def decoding(session: Session) -> dict[str, Any]:
    """The ``temperature`` option as an override of the sampling; None leaves the suite's decoding alone."""
    value = session.options["temperature"]
    return {} if value is None else {"temperature": value}


def one_of(session: Session, option: str, choices: Sequence[str]) -> str:
    """A named option. Raises ValueError listing the ``choices`` when it is none of them."""
    value = session.options[option]
    if value not in choices:
        known = ", ".join(choices)
        raise ValueError(f"baseline {session.method.name}: {option} must be one of {known}, got {value!r}")
    return value
