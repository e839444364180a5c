"""Self-refine (Madaan et al. 2023): answer, criticise the answer oneself, revise, until nothing is found wrong."""

from __future__ import annotations

import re

from optima_envs.scoring.thinking import visible

from .baseline import Baseline, Session
from .cot import CONTEXT, question

CRITICISE = (
    "Check your answer step by step. If it has a mistake, say where and how to mend it, without stating a new answer. "
    "If there is none, reply with the words: no issue"
)
REVISE = "Solve it again with that feedback in mind, and state the answer as {answer}."
NO_ISSUE = re.compile(r"\W*no issues?(?: found)?\W*", re.IGNORECASE)


async def self_refine(session: Session) -> str | None:
    """At most ``rounds`` times feedback and revision: 1 + 2 x rounds calls of one agent. The answer stated last
    counts."""
    agent, chat = session.agents[0], list(question(session))
    reply = (await session.ask(agent, chat)).text
    answer = session.answer_in(reply)
    for _ in range(session.options["rounds"]):
        chat += [{"role": "assistant", "content": reply}, {"role": "user", "content": CRITICISE}]
        feedback = (await session.ask(agent, chat)).text
        if satisfied(feedback):
            break
        chat += [
            {"role": "assistant", "content": feedback},
            {"role": "user", "content": REVISE.replace("{answer}", session.answer_form)},
        ]
        reply = (await session.ask(agent, chat)).text
        answer = session.answer_in(reply) or answer
    return answer


def satisfied(feedback: str) -> bool:
    """Whether the feedback found nothing: its first sentence or its last line says so and nothing else."""
    lines = [line for line in visible(feedback).splitlines() if line.strip()]
    if not lines:
        return False
    first = re.split(r"[.!]", lines[0], maxsplit=1)[0]
    return any(NO_ISSUE.fullmatch(line) for line in (first, lines[-1]))


SELF_REFINE = Baseline(
    "self-refine", self_refine, block="oracle", defaults={"rounds": 3, "context": "full"}, choices=CONTEXT
)
