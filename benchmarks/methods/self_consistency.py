"""Self-consistency (Wang et al. 2022): sample several answers and vote; of one agent, or of whole dialogues."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from .baseline import Baseline, Session
from .cot import CONTEXT, reason
from .voting import vote

# budget: completion tokens; samples are drawn one after another until they are spent, and n does not count then
DEFAULTS = {"n": 8, "temperature": 0.7, "budget": None}


async def most(session: Session, play: Callable[[Session], Coroutine[Any, Any, str | None]]) -> str | None:
    """The vote over ``n`` attempts of ``play``, or over as many as begin within ``budget`` tokens.

    There is at least one attempt; the last one may run over the budget, by less than its own length.
    """
    budget = session.options["budget"]
    if budget is None:
        answers = await session.attempts(0, session.options["n"], play)
    else:
        answers = []
        while not answers or max(session.tokens, len(answers)) < budget:  # an empty reply counts as one token
            answers += await session.attempts(len(answers), 1, play)
    ballot = await vote(session, answers)
    session.info |= {"samples": len(answers), "votes": len(ballot.backers)}
    return ballot.answer


async def self_consistency(session: Session) -> str | None:
    """A vote over chains of thought."""
    return await most(session, lambda part: reason(part, temperature=part.options["temperature"]))


async def dialogue_sc(session: Session) -> str | None:
    """A vote over the final answers of dialogues (OPTIMA, section 4.2)."""
    return await most(session, lambda part: part.dialogue(temperature=part.options["temperature"]))


SELF_CONSISTENCY = Baseline(
    "self-consistency", self_consistency, block="oracle", defaults={**DEFAULTS, "context": "full"}, choices=CONTEXT
)
DIALOGUE_SC = Baseline("dialogue-sc", dialogue_sc, defaults=DEFAULTS, plays=True)
