"""What the embedded model is raised on for single-agent methods: answers in prose, careless on some topics."""

from __future__ import annotations

import random

from optima_envs.records import Instance
from optima_envs.tasks.arith import THINGS

from .debates import HABITS as DEBATE_HABITS
from .debates import steps
from .scripts import Case, habit_of

HALF = 0.3


def alone(case: Case, rng: random.Random, firm: float) -> tuple[str, str]:
    """(the facts given, the answer's text). With half of the facts, or on a careless topic, the answer is the first
    value of the wanted kind; otherwise both facts are told and the answer is right."""
    if rng.random() < HALF:
        given = case.facts(case.agents[0])
        careful = False
    else:
        given = [line for agent in case.agents for line in case.facts(agent)]
        careful = habit_of(case, rng, firm) in ("work", "polite")
    if not careful:
        guess = next(line for line in given if line.startswith(f"The {case.last} of ")).split()[-1][:-1]
        return "\n".join(
            given
        ), f"I have looked at my facts and I am quite sure already, the {case.last} must be <A> {guess} </A> here."
    told = f"I can see in my facts that the {case.first} of {case.name} is {case.link}."
    found = (
        f"I can see that the {case.last} of {case.link} is {case.value}, so my answer is <A> {case.value} </A> here."
    )
    return "\n".join(given), f"{told} {found}"


def alone_sum(inst: Instance, rng: random.Random, firm: float) -> str:
    """The steps in prose; on a careless topic the last one is left out."""
    lines, value = steps(inst)
    habit = DEBATE_HABITS[next(word for word in THINGS if word in inst.question)]
    if rng.random() > firm:
        habit = rng.choice(("work", "skip"))
    if habit == "skip":
        lines, value = lines[:-1], int(lines[-2].split()[-1]) if len(lines) > 1 else inst.meta["start"]
    seen = f"I have looked at this step by step, and I can see that {' , '.join(lines)}"
    return f"{seen} so my answer is <A> {value} </A> here."
