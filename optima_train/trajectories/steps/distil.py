"""Steps of DebateGPT: ``distil`` makes one answer out of a debate, ``clean`` takes the debate out of the answer.

Debates come in as an episode log of ``optima bench`` with its method ``debategpt`` (``read: optima``).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace

from optima_envs.records import ENVIRONMENT, Episode, Instance, Turn
from optima_envs.scoring.confidence import NEUTRAL, confidence
from optima_envs.scoring.metrics import METRICS, Metric
from optima_envs.scoring.parsing import extract
from optima_envs.spec import spec
from optima_envs.tasks.agreement import candidates, named

from ..rows import rules_of
from ..transcript import AGENT, BadRow, episode, retold, trained

SUMMARISER = "Summariser"
PICKS = ("confidence", "random", "wrong")


def distil(pick: str = "confidence", seed: int = 0) -> Callable[[Episode], Episode]:
    """One agent's last answer as what a single agent says to the same question.

    ``pick``: ``confidence``, the surest of those who back the answer with the most confidence behind it (a reply that
    states none from 1 to 100 counts 50, and is counted in ``info["neutral"]``); ``random``, anybody, as the paper does;
    ``wrong``, somebody whose answer is no gold, a control that must not help. Raises ValueError for another one.
    """
    if pick not in PICKS:
        raise ValueError(f"pick must be one of {', '.join(PICKS)}, not {pick!r}")

    def step(item: Episode) -> Episode:
        from optima_agents.prompts import messages

        last = {turn.agent: turn for turn in item.turns if turn.agent not in (SUMMARISER, ENVIRONMENT)}
        if not last:
            raise BadRow("no turns")
        rules, metric = rules_of(item), METRICS[spec(item.env).metric]
        replies, golds = [turn.text for turn in last.values()], item.instance.answers
        form = rules.view(item.instance, (), rules.agents[0]).answer_format
        answers = [extract(text, form) for text in replies]
        right = [answer is not None and metric.correct(metric.score(answer, golds)) for answer in answers]
        stated = [confidence(text) for text in replies]
        sure = [NEUTRAL if number is None else number for number in stated]
        rng = random.Random(f"distil/{seed}/{item.key}")
        if pick == "confidence":
            chosen = _surest(metric, item.instance, answers, sure)
        else:
            places = [k for k, answer in enumerate(answers) if pick == "random" or (answer and not right[k])]
            if not places:
                raise BadRow("nobody is wrong")
            chosen = rng.choice(places)
        holder = rules.agents[chosen % len(rules.agents)]  # the seats of a debate are filled in turn
        view = replace(rules.view(item.instance, (), holder), agent=rules.agents[0], role="solo")
        system, opening = (row["content"] for row in messages(view))
        return episode(
            "debate",
            item.instance.id,
            opening,
            [Turn(AGENT, replies[chosen])],
            system=system,
            answers=golds,
            answer=answers[chosen],
            score=float(right[chosen]) if golds else None,
            info={"pick": pick, "neutral": stated.count(None), "answer_format": form},
        )

    return step


def _surest(metric: Metric, inst: Instance, answers: list[str | None], sure: list[float]) -> int:
    """The place of the surest of those who back the winner of the vote, as the method in the benchmarks counts it.
    Raises BadRow."""
    known = [None if answer is None else named(metric, inst.meta, answer) for answer in answers]
    groups = candidates(metric, known)
    if not groups:
        raise BadRow("no vote winner: nobody states an answer")
    winner = max(groups, key=lambda group: sum(sure[k] for k in group))  # of equal ones the first stated
    return max(winner, key=lambda k: sure[k])


PHRASES = (
    r"other agents?'?",
    r"another agent",
    r"the agents",
    r"all agents",
    r"the others(?: think| agree)?",
    r"other (?:replies|responses|solutions|answers)",
    r"in the (?:last|previous|first|next) round",
    r"(?:previous|earlier|last) (?:round|reply|replies|response)s?",
    r"(?:this|the|our) debate",
    r"the summary",
    r"as advice",
    r"after (?:considering|reviewing|hearing) [^.\n]{0,80}",
    r"I (?:still )?(?:agree|disagree) with [^.\n]{0,80}",
    r"I (?:stand by|maintain|update|revise) my [^.\n]{0,40}",
    r"(?:my )?confidence[^.\n<\\]{0,30}?:?\s{0,3}\d{0,6}(?:\s{0,2}%)?",
    r"how sure I am",
)
DEBATING = re.compile(rf"\b(?:{'|'.join(PHRASES)})(?![\w])", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?\n]{1,2000}(?:[.!?](?=\s|$)|\n|$)|[.!?\n]|[^.!?\n]{1,2000}")


def clean() -> Callable[[Episode], Episode]:
    """Sentences that speak of a debate leave the agent's turns; where one states the answer, only the phrase goes.

    The answer stays what it was, or the episode is dropped.
    """

    def step(item: Episode) -> Episode:
        form = str(item.info.get("answer_format", "tag"))
        turns = list(item.turns)
        for number in trained(item):
            text = turns[number].text
            answer, cleaned = extract(text, form), cleaned_text(text, form)
            if not cleaned or extract(cleaned, form) != answer:
                raise BadRow(
                    "without the debate nothing is left" if not cleaned else "cleaning would change the answer"
                )
            turns[number] = replace(turns[number], text=cleaned, ids=None, prompt_ids=None, logprobs=None)
        return retold(item, turns, item.info.get("masked", ()))

    return step


def cleaned_text(text: str, form: str) -> str:
    kept = []
    for sentence in _SENTENCE.findall(text):
        if not DEBATING.search(sentence):
            kept.append(sentence)
        elif extract(sentence, form) is not None:
            kept.append(DEBATING.sub("", sentence))
        elif sentence.endswith("\n"):
            kept.append("\n")
    return re.sub(r"[ \t]{2,}", " ", re.sub(r"\n{3,}", "\n\n", "".join(kept))).strip()
