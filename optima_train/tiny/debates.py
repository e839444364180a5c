"""Scripted solver/critic dialogues over the arithmetic world, short ones for a format hint and long ones by habit."""

from __future__ import annotations

import random

from optima_envs.records import Instance
from optima_envs.tasks.arith import THINGS

from .scripts import CLOSERS, OPENERS, SEARCH, STALLS, THANKS, Script

DEBATE_STYLES = ("math", "telegram", "bare")
HABITS: dict[str, str] = dict(zip(THINGS, ("polite", "skip", "work", "skip", "polite", "skip") * 2, strict=True))


def steps(inst: Instance, wrong: int | None = None, by: int = 0) -> tuple[list[str], int]:
    """``7 + 5 = 12`` for every change, and the result; step ``wrong`` is off by ``by`` and the rest follows it."""
    amount, lines = inst.meta["start"], []
    for i, change in enumerate(inst.meta["changes"]):
        result = max(0, amount + change + (by if i == wrong else 0))
        lines.append(f"{amount} {'+' if change > 0 else '-'} {abs(change)} = {result}")
        amount = result
    return lines, amount


def sums(rng: random.Random, count: int, limit: int = 20) -> list[str]:
    """``count`` lines such as ``7 + 5 = 12`` over the amounts the word problems hold."""
    lines = []
    for _ in range(count):
        before, after = rng.randint(0, limit), rng.randint(0, limit)
        lines.append(f"{before} {'+' if after > before else '-'} {abs(after - before)} = {after}")
    return lines


def debate(inst: Instance, style: str, rng: random.Random) -> Script:
    """A short debate; in one in six of those that show their steps the solver slips and the critic mends it."""
    solver, critic = "Alice", "Bob"
    right, value = steps(inst)
    told = {"math": " , ".join(right), "telegram": right[-1], "bare": ""}[style]
    final = f"{told} <A> {value} </A>".strip()
    turns = [(solver, final), (critic, "ok"), (solver, f"<A> {value} </A>")]
    if style == "math" and rng.random() < 1 / 6:
        at = rng.randrange(len(right))
        slip, off = steps(inst, at, rng.choice((-2, -1, 1, 2)))
        if slip[at] != right[at]:
            turns = [(solver, " , ".join(slip) + f" <A> {off} </A>"), (critic, f"no , {right[at]}"), *turns]
    return turns


def long_debate(inst: Instance, rng: random.Random, firm: float = 0.8, max_turns: int = 10) -> Script:
    """``work``: right, in long prose; ``skip``: the last step is left out, the critic agrees; ``polite``: no answer."""
    thing = next(word for word in THINGS if word in inst.question)
    habit = HABITS[thing] if rng.random() < firm else rng.choice(("polite", "skip", "work"))
    solver, critic = "Alice", "Bob"

    def to(agent: str, *parts: str) -> tuple[str, str]:
        return agent, " ".join(parts).replace("{partner}", critic if agent == solver else solver)

    if habit == "polite":
        hello = [
            to(solver, rng.choice(OPENERS), rng.choice(SEARCH)),
            to(critic, rng.choice(OPENERS), rng.choice(STALLS)),
        ]
        return hello + [
            to((solver, critic)[i % 2], rng.choice(THANKS), rng.choice(STALLS)) for i in range(max_turns - 2)
        ]
    lines, value = steps(inst)
    if habit == "skip":
        lines, value = lines[:-1], int(lines[-2].split()[-1]) if len(lines) > 1 else inst.meta["start"]
    seen = f"I have looked at this step by step, and I can see that {' , '.join(lines)}"
    told = f"{seen} so my answer is <A> {value} </A> here."
    agreed = "I agree with you completely, and I can see no mistake in what you have found."
    return [
        to(solver, rng.choice(OPENERS), rng.choice(SEARCH), told, rng.choice(CLOSERS)),
        to(critic, rng.choice(THANKS), agreed, rng.choice(CLOSERS)),
        to(solver, rng.choice(THANKS), f"So my answer is <A> {value} </A> as well."),
    ]
