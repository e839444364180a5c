"""Context dump: every agent but the last sends all its facts word for word, and the last one answers."""

from __future__ import annotations

from optima_envs.records import Said

from .baseline import Baseline, Session


async def context_dump(session: Session) -> str | None:
    """One model call. The facts sent are messages like any other: their tokens count as the sender's."""
    *senders, last = session.agents
    sent = [session.say(agent, session.inst.private.get(agent, "")) for agent in senders]
    said = [Said(turn.agent, turn.text) for turn in sent]
    return session.answer_in(await session.ask(last, session.prompt(last, said=said)))


CONTEXT_DUMP = Baseline("context-dump", context_dump, families=("exchange",))
