"""``mad``: multi-agent debate (Du et al. 2023): all answer, read the others' replies, answer again; a majority wins."""

from __future__ import annotations

from optima_envs.records import Turn

from .baseline import Baseline, Session
from .seats import pasted, replied, seats, told
from .voting import vote


async def debate(session: Session) -> str | None:
    """Play ``rounds`` synchronous rounds (nothing to read in the first) and vote over the last replies' answers.

    Source: arXiv 2305.14325 and its code (gsm/gen_gsm.py): 3 agents, 2 rounds, temperature 1 (the API's default), an
    agent keeps its own history and is shown the newest replies of the others. In exchange environments an agent reads
    its own half (see ``seats``) and of the others what they said, never what they hold. Unlike in the code's scorer a
    reply without an answer has no vote, and no votes at all are a wrong answer. Calls: agents x rounds.
    """
    places = seats(session, session.options["agents"])
    temperature = session.options["temperature"]
    prompts = [seat.prompt for seat in places]
    replies: list[Turn] = []
    for number in range(session.options["rounds"]):
        if number:
            prompts = [
                told(replied(prompt, replies[own]), advice(session, replies[:own] + replies[own + 1 :]))
                for own, prompt in enumerate(prompts)
            ]
        calls = [
            session.ask(seat.name, prompt, temperature=temperature)
            for seat, prompt in zip(places, prompts, strict=True)
        ]
        replies = await session.together(calls)
    return (await vote(session, [session.answer_in(reply) for reply in replies])).answer


def advice(session: Session, others: list[Turn]) -> str:
    """What an agent is told between two rounds; one that is alone is asked to check itself, as in the code."""
    if not others:
        return f"Check that your answer is right and state it again as {session.answer_form}."
    return (
        f"The others replied:\n{pasted(others)}\n"
        f"Take their replies as further advice and answer the question anew, as {session.answer_form}."
    )


MAD = Baseline("mad", debate, defaults={"agents": 3, "rounds": 2, "temperature": 1.0})
