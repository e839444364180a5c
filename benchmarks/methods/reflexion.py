"""Reflexion (Shinn et al. 2023): told that an answer was wrong, reflect on why in words, and try again."""

from __future__ import annotations

from optima_agents.backends.base import Message

from .baseline import Baseline, Session
from .cot import CONTEXT, question

Prompt = tuple[Message, ...]

REFLECT = (
    "That was wrong. Say in a few sentences what went wrong and what to do differently next time. "
    "Do not state an answer."
)
LESSONS = "You tried this before and were wrong. What you noted then:"


async def reflexion(session: Session) -> str | None:
    """At most ``trials`` answers with a reflection after each failed one but the last: 2 x trials - 1 calls.

    Only whether the answer is right is used, never the gold; that is still feedback no other method has.
    """
    agent, notes = session.agents[0], []
    answer = None
    for trial in range(session.options["trials"]):
        prompt = with_notes(question(session), notes)
        reply = (await session.ask(agent, prompt)).text
        answer = session.answer_in(reply)
        session.info["trials"] = trial + 1
        if await session.solved(answer) or trial + 1 == session.options["trials"]:
            break
        retold = [*prompt, {"role": "assistant", "content": reply}, {"role": "user", "content": REFLECT}]
        notes.append((await session.ask(agent, retold)).text)
    return answer


def with_notes(prompt: Prompt, notes: list[str]) -> Prompt:
    """``prompt`` with all earlier reflections after the question."""
    if not notes:
        return prompt
    *start, last = prompt
    return (*start, {**last, "content": "\n".join([last["content"], LESSONS, *(f"- {note}" for note in notes)])})


REFLEXION = Baseline(
    "reflexion", reflexion, block="feedback", defaults={"trials": 3, "context": "full"}, choices=CONTEXT
)
