"""``debategpt`` (Subramaniam et al. 2024): a debate over summaries of the others, with stated confidence."""

from __future__ import annotations

import random

from optima_envs.records import Turn
from optima_envs.scoring.confidence import NEUTRAL, confidence

from .baseline import Baseline, Session
from .seats import bystander, pasted, replied, seats, told
from .voting import vote

SURE = "Explain your answer, then state how sure you are of it from 1 to 100, as: Confidence: N"
SUMMARISE = "You summarise replies to a question: merge them into one short text, with the confidence stated for each."


async def debate(session: Session) -> str | None:
    """``rounds`` synchronous rounds; from the second on an agent reads one summary of the others' replies before.

    Source: OpenReview ChNy95ovpF and its code (finetuning/generate_data.py): 4 agents, 3 rounds, temperature 1 (the
    API's default); a summary is made anew for every agent, by a call that knows the question and the replies alone, so
    an agent's prompt does not grow with their number. Here confidence is asked for in every round and read: the final
    answer is the best supported one, each last reply voting with its confidence (50 when it states none from 1 to 100,
    counted in ``info["neutral"]``). ``pick="random"`` takes a random agent's last answer, as the paper does. In
    exchange environments agents hold halves (see ``seats``). Calls: agents x (2 x rounds - 1).
    """
    if session.options["agents"] < 2:
        raise ValueError("baseline debategpt: option agents must be at least 2, there is nobody else to summarise")
    temperature = session.options["temperature"]
    places = seats(session, session.options["agents"], SURE)
    summariser = bystander(session, "Summariser", SUMMARISE)
    prompts = [seat.prompt for seat in places]
    replies: list[Turn] = []
    for number in range(session.options["rounds"]):
        if number:
            others = [pasted(replies[:own] + replies[own + 1 :]) for own in range(len(places))]
            summaries = await session.together(
                [
                    session.ask(summariser.name, told(summariser.prompt, text), temperature=temperature)
                    for text in others
                ]
            )
            prompts = [
                told(replied(prompt, reply), advice(session, summary))
                for prompt, reply, summary in zip(prompts, replies, summaries, strict=True)
            ]
        replies = await session.together(
            [
                session.ask(seat.name, prompt, temperature=temperature)
                for seat, prompt in zip(places, prompts, strict=True)
            ]
        )
    answers = [session.answer_in(reply) for reply in replies]
    if session.options["pick"] == "random":
        return random.Random(f"debategpt/{session.key}").choice(answers)
    stated = [confidence(reply.text) for reply in replies]
    session.info["neutral"] = stated.count(None)
    return (await vote(session, answers, [NEUTRAL if sure is None else sure for sure in stated])).answer


def advice(session: Session, summary: Turn) -> str:
    """What an agent is told before it answers again."""
    return (
        f"What the others think:\n{pasted([summary])}\n"
        f"Use this as advice and answer the question anew, as {session.answer_form}. {SURE}"
    )


DEBATEGPT = Baseline(
    "debategpt",
    debate,
    defaults={"agents": 4, "rounds": 3, "temperature": 1.0, "pick": "confidence"},
    choices={"pick": ("confidence", "random")},
)
