"""``divergent-debate`` (Liang et al. 2023): one side answers, one must disagree, a moderator or a judge decides."""

from __future__ import annotations

from optima_envs.records import Turn
from optima_envs.scoring.parsing import extract

from .baseline import Baseline, Session
from .json_reply import json_field
from .seats import Seat, bystander, pasted, replied, seats, told

DEBATER = "This is a debate: you need not agree with the other side, the aim is to find the right answer."
MODERATOR = "You moderate a debate of two sides about a question and decide which answer is right."
DISAGREE = "You disagree with this. Give your own answer and your reasons."
REPLY = "Do you agree? Give your reasons and your answer."
DECIDE = (
    "If one answer is clearly right, conclude with it; if not, leave the answer empty and the debate goes on. "
    'Write one JSON object and nothing else: {"reason": "...", "answer": "..."}'
)
CANDIDATES = "Which candidate answers are there? List them without reasons."
CHOOSE = 'Now choose the right one. Write one JSON object and nothing else: {"reason": "...", "answer": "..."}'


class Speaker:
    """A seat and all it heard and said so far."""

    def __init__(self, session: Session, seat: Seat) -> None:
        self.session, self.name, self.prompt = session, seat.name, seat.prompt

    async def say(self, text: str | None = None) -> Turn:
        """The reply to ``text``, or to the opening prompt."""
        prompt = self.prompt if text is None else told(self.prompt, text)
        turn = await self.session.ask(self.name, prompt, temperature=self.session.options["temperature"])
        self.prompt = replied(prompt, turn)
        return turn


async def debate(session: Session) -> str | None:
    """At most ``rounds`` rounds; the moderator may end each with an answer, else a judge lists candidates and chooses.

    Source: arXiv 2305.19118 and its code (config4all.json): 3 rounds, temperature 0, the judge reads the statements of
    the first round. The sides take the first two seats (in exchange environments each with its own half); moderator and
    judge know the question and what was said to them. Where the code calls ``eval``, a reply that is no JSON object
    with an answer decides nothing here and is counted as unparsed; the judge's may then still state its answer in the
    environment's form. Calls: 3 a round, and 2 for the judge.
    """
    affirmative, negative = (Speaker(session, seat) for seat in seats(session, 2, DEBATER))
    moderator = Speaker(session, bystander(session, "Moderator", MODERATOR))
    first: list[Turn] = []
    against: Turn | None = None
    for number in range(session.options["rounds"]):
        claim = await affirmative.say(f"{pasted([against])}\n{REPLY}" if against else None)
        against = await negative.say(f"{pasted([claim])}\n{REPLY if number else DISAGREE}")
        both = [claim, against]
        first = first or both
        ruling = await moderator.say(f"Round {number + 1} is over.\n{pasted(both)}\n{DECIDE}")
        if answer := session.parsed(decision(session, ruling)):
            return answer
    judge = Speaker(session, bystander(session, "Judge", MODERATOR))
    await judge.say(f"{pasted(first)}\n{CANDIDATES}")
    verdict = await judge.say(CHOOSE)
    return decision(session, verdict) or session.answer_in(verdict)


def decision(session: Session, reply: Turn) -> str | None:
    """The answer a reply in JSON concludes with: "" for none yet, None when it cannot be read."""
    answer = json_field(reply.text, "answer")
    return answer and (extract(answer, session.view().answer_format) or answer)


DIVERGENT = Baseline("divergent-debate", debate, defaults={"rounds": 3, "temperature": 0.0})
