"""Chain of thought: one agent answers alone, with the whole context or with its own half."""

from __future__ import annotations

from typing import Any

from optima_agents.backends.base import Message

from .baseline import Baseline, Session

CONTEXT = {"context": ("full", "half")}  # all agents' facts, or only those of the first agent


def question(session: Session) -> tuple[Message, ...]:
    """The prompt of a single agent; it sees the whole context unless the option ``context`` says ``half``."""
    half = session.options.get("context") == "half"
    return session.prompt(private=None if half else session.whole_context())


async def reason(session: Session, **sampling: Any) -> str | None:
    """One completion of ``question`` and the answer it states (zero-shot, Wei et al. 2022)."""
    return session.answer_in(await session.ask(session.agents[0], question(session), **sampling))


async def reason_alone(session: Session) -> str | None:
    """The first agent answers from its own facts: what a question gives away without any exchange."""
    return session.answer_in(await session.ask(session.agents[0], session.prompt()))


COT = Baseline("cot", reason, block="oracle")
COT_HALF = Baseline("cot-half", reason_alone, families=("exchange",))
