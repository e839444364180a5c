"""``dylan`` (Liu et al. 2023): agents rate their peers, a ranker drops the weaker half, agreement ends it early."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from optima_envs.records import Turn
from optima_envs.scoring.thinking import visible

from .baseline import Baseline, Session
from .seats import Seat, bystander, numbered, seats, told
from .voting import Ballot, vote

KEEP = 2  # agents that go on after a ranking
RANKER = "You compare solutions of a question."
_SCORES = re.compile(r"\[\[([\d\s,.]{1,1000})\]\]", re.ASCII)
_RANKS = re.compile(r"\[([\d\s,]{1,1000})\]", re.ASCII)
_MAX_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class Node:
    """One agent in one round; ``weights`` are its ratings of the agents of the round before, by seat, sum 1."""

    turn: Turn
    answer: str | None
    weights: dict[int, float] = field(default_factory=dict)


Round = dict[int, Node]  # by seat, in the order in which they were called


async def dylan(session: Session) -> str | None:
    """At most ``rounds`` rounds of ``agents`` that read the round before; the answer most agents of the last one gave.

    Source: arXiv 2310.02170 and its code (code/MMLU/LLMLP.py): 4 agents, 3 rounds, temperature 1; nothing is remembered
    but the replies of the round before (an agent's own among them), shown in random order and rated from 1 to 5 each;
    agents are called in random order and a round ends at once, and the method with it, when more than floor(2/3 n) of
    its n agents agree. From the third round on a listwise ranker picks the 2 best replies, and only their authors go on
    (the code compares ranks with positions of a shuffled list, and activates others). ``info["importance"]`` is each
    agent's importance: 1 shared by those who gave the final answer, passed back along the ratings, summed over rounds.

    No votes are counted for replies without an answer. Ratings that do not fit count as equal, rankings that do not as
    a random pair, both as the code does; ``info["unrated"]`` and ``unparsed`` count them. The task-specific roles of
    the paper are left out. In exchange environments agents hold halves (see ``seats``).
    """
    places = seats(session, session.options["agents"])
    rng = random.Random(f"dylan/{session.key}")
    session.info["unrated"] = 0
    rounds: list[Round] = []
    active = list(range(len(places)))
    ballot = Ballot(None)
    for number in range(session.options["rounds"]):
        before = rounds[-1] if rounds else {}
        if number >= 2 and len(active) > KEEP:
            active = await best(session, before, rng)
        nodes, ballot, agreed = await play(session, places, rng.sample(active, len(active)), before, rng)
        rounds.append(nodes)
        if agreed:
            break
    shares = importance(rounds, ballot.backers)
    session.info["importance"] = {seat.name: round(shares.get(place, 0.0), 4) for place, seat in enumerate(places)}
    return ballot.answer


async def play(
    session: Session, places: Sequence[Seat], order: Sequence[int], before: Round, rng: random.Random
) -> tuple[Round, Ballot, bool]:
    """One round: those whose answers are needed for an agreement at the same time, then one more after another."""
    needed = 2 * len(order) // 3 + 1
    nodes: Round = {}
    ballot = Ballot(None)
    for batch in (order[:needed], *([seat] for seat in order[needed:])):
        reading = [rng.sample(list(before), len(before)) for _ in batch]
        made = [speak(session, places[seat], before, shown) for seat, shown in zip(batch, reading, strict=True)]
        nodes.update(zip(batch, await session.together(made), strict=True))
        votes = await vote(session, [node.answer for node in nodes.values()])
        called = list(nodes)
        ballot = Ballot(votes.answer, tuple(called[position] for position in votes.backers))
        if len(ballot.backers) >= needed:
            return nodes, ballot, True
    return nodes, ballot, False


async def speak(session: Session, seat: Seat, before: Round, shown: Sequence[int]) -> Node:
    """One agent's reply and ratings, after the replies of the round before in the order ``shown``."""
    prompt = seat.prompt
    if shown:
        task = (
            f"Other agents' solutions:\n{numbered(before[peer].turn for peer in shown)}\n"
            f"Check them and your own step by step; all may be wrong. Answer the question anew, as "
            f"{session.answer_form}, and score the {len(shown)} solutions from 1 to 5, in order, as [[1, 5, ...]]."
        )
        prompt = told(prompt, task)
    turn = await session.ask(seat.name, prompt, temperature=session.options["temperature"])
    scores = ratings(turn.text, len(shown))
    session.info["unrated"] += bool(shown) and scores is None
    return Node(turn, session.answer_in(turn), dict(zip(shown, weights(scores, len(shown)), strict=True)))


async def best(session: Session, before: Round, rng: random.Random) -> list[int]:
    """The seats that gave the best replies of a round, by the ranker."""
    shown = rng.sample(list(before), len(before))
    task = (
        f"Solutions:\n{numbered(before[seat].turn for seat in shown)}\n"
        f"Think step by step and choose the best {KEEP}. End with their numbers, as [1, 2]."
    )
    ranker = bystander(session, "Ranker", RANKER)
    reply = await session.ask(ranker.name, told(ranker.prompt, task), temperature=session.options["temperature"])
    picked = session.parsed(ranking(reply.text, len(shown)))
    return rng.sample(shown, KEEP) if picked is None else [shown[position] for position in picked]


def ratings(text: str, count: int) -> list[float] | None:
    """The ``count`` numbers of the last ``[[...]]``, cut to 0 .. 5; None when there are others or none."""
    found = _SCORES.findall(visible(text)[-_MAX_TEXT:])
    try:
        scores = [min(float(score), 5.0) for score in found[-1].split(",")] if found else []
    except ValueError:
        return None
    return scores if len(scores) == count else None


def ranking(text: str, count: int) -> list[int] | None:
    """Positions (from 0) of the last ``[i, j]`` that names ``KEEP`` different solutions of ``count``; None without."""
    for found in reversed(_RANKS.findall(visible(text)[-_MAX_TEXT:])):
        numbers = [int(number) - 1 for number in re.findall(r"\d{1,9}", found, re.ASCII)]
        if len(numbers) == KEEP == len({number for number in numbers if 0 <= number < count}):
            return numbers
    return None


def weights(scores: Sequence[float] | None, count: int) -> list[float]:
    """Ratings as shares of 1; equal shares where none was above 0."""
    total = sum(scores or ())
    return [score / total for score in scores] if scores and total else [1 / count for _ in range(count)]


def importance(rounds: Sequence[Round], backers: Sequence[int]) -> dict[int, float]:
    """Each seat's importance over all rounds (paper section 3.3): the last round's backers share 1 equally, a node
    before has the sum over its readers of their importance times their rating of it. Empty when nobody answered."""
    total: dict[int, float] = {}
    now = {seat: 1 / len(backers) for seat in backers}
    for number in range(len(rounds) - 1, -1, -1):
        for seat, share in now.items():
            total[seat] = total.get(seat, 0.0) + share
        passed: dict[int, float] = {}
        for seat, share in now.items():
            for peer, weight in rounds[number][seat].weights.items():
                passed[peer] = passed.get(peer, 0.0) + share * weight
        now = passed
    return total


DYLAN = Baseline("dylan", dylan, defaults={"agents": 4, "rounds": 3, "temperature": 1.0})
