"""``debategpt`` (Subramaniam et al. 2024): a debate over summaries of the others, with stated confidence."""

from __future__ import annotations

import random
import re

from optima_envs.records import Turn
from optima_envs.scoring.thinking import visible

from .baseline import Baseline, Session
from .seats import bystander, pasted, replied, seats, told
from .voting import vote

SURE = "Explain your answer, then state how sure you are of it from 1 to 100, as: Confidence: N"
SUMMARISE = "You summarise replies to a question: merge them into one short text, with the confidence stated for each."
NEUTRAL = 50.0  # the weight of a reply without a usable confidence

_CONFIDENCE = re.compile(
    # "Confidence (0-10): 8" and "Confidence: 8/10" state 80 of 100
    r"confidence(?:[^\d\n<\\]{0,20}[01] ?(?:-|\u2013|to|and) ?(?P<top>100|20|10|5|1)(?![\d.]))?"
    r"[^\d\n<\\]{0,40}?(?P<sure>-?\d{1,6}(?:\.\d{1,6})?)(?![\d,.]*\d)"
    r"(?: ?(?:/|out of) ?(?P<of>[1-9]\d{0,3})(?![\d.]*\d))?",
    re.IGNORECASE | re.ASCII,
)
_MAX_TEXT = 20_000


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


def confidence(text: str) -> float | None:
    """The number after the last word "confidence", if it is from 1 to 100; one of another scale that is named
    (``8/10``, ``0-10: 8``), or a share between 0 and 1, is taken to that one."""
    found = list(_CONFIDENCE.finditer(visible(text)[-_MAX_TEXT:]))
    if not found:
        return None
    last = found[-1]
    sure = float(last["sure"])
    scale = float(last["of"] or last["top"] or (1 if 0 < sure < 1 else 100))
    share = round(sure * 100 / scale, 6)
    return share if 1 <= share <= 100 else None


DEBATEGPT = Baseline(
    "debategpt",
    debate,
    defaults={"agents": 4, "rounds": 3, "temperature": 1.0, "pick": "confidence"},
    choices={"pick": ("confidence", "random")},
)
