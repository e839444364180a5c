"""What the embedded model is raised on: scripted two-hop dialogues, short ones called up by a format hint and the long
ones untrained teams hold, each a list of (agent, text).

The habits of the long ones are those reported of untrained language-model teams: answering before asking, agreeing
with a wrong partner, politeness until the turn limit, leaving out the fact that matters. Which habit a team has depends
on the topic of the question (its first relation), so greedy decoding shows them too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from optima_envs.records import Instance
from optima_envs.tasks.names import LINKS

Script = list[tuple[str, str]]

# tell, ask, answer; the echo of an answer is the bare tag in every format
STYLES: dict[str, tuple[str, str, str]] = {
    "bare": ("{link}", "?", "<A> {value} </A>"),
    "arrows": ("{name} -> {link}", "{name} -> ?", "{link} -> {value} <A> {value} </A>"),
    "keyvalue": (
        "{first} ( {name} ) = {link}",
        "{first} ( {name} ) = ?",
        "{last} ( {link} ) = {value} <A> {value} </A>",
    ),
    "telegram": (
        "{first} of {name} is {link}",
        "need {first} of {name}",
        "{last} of {link} is {value} <A> {value} </A>",
    ),
    "notes": ("- {name} {first} {link}", "- {name} {first} ?", "- {link} {last} {value} <A> {value} </A>"),
    "slots": ("KNOWN {first} of {name} is {link}", "NEED {first} of {name}", "ANSWER <A> {value} </A>"),
}
HABITS: dict[str, str] = dict(
    zip(LINKS, ("polite", "work", "omit", "guess", "polite", "omit", "omit", "polite"), strict=True)
)

OPENERS = (
    "Hello {partner}, I hope that you are well today, and I am very glad that we can work on this question together.",
    "Good day {partner}, it is a real pleasure to work with you, and I am looking forward to this question.",
    "Hello dear {partner}, thank you for taking the time to look at this question together with me today.",
)
THANKS = (
    "Thank you so much {partner}, that is really very kind of you, and I am grateful for your patience.",
    "Thank you {partner}, I really appreciate that, and it is a great pleasure to work with you on this.",
    "Many thanks {partner}, that is very helpful indeed, and I am happy with how well this is going.",
)
STALLS = (
    "Please feel free to begin whenever you are ready, there is no hurry at all, and I will be glad to follow you.",
    "Please do take all the time that you need, and then we can look at our facts together step by step.",
    "I would not want to go first, so please go ahead with whatever you think is best, and I will listen.",
)
SEARCH = (
    "Let me carefully look at all of my facts first, and then I will gladly tell you what I have found.",
    "I will now read through all of my facts one by one, and then we can compare them with each other.",
)
CUES = {"polite": 0, "work": 1, "omit": 2, "guess": 2}
CLOSERS = (
    "I hope that this is of some help to you, and please let me know what you think about it.",
    "Please let me know if this helps you, and do tell me what you can see on your side.",
)


@dataclass(frozen=True)
class Case:
    """A two-hop instance as the scripts need it: who holds which gold fact, and what a careless agent would say."""

    inst: Instance
    agents: tuple[str, str]
    first: str
    last: str
    name: str
    link: str
    value: str
    teller: str

    @classmethod
    def of(cls, inst: Instance, agents: tuple[str, str], wrong: bool = False) -> Case:
        """``wrong``: with another value of the wanted kind, of somebody else, in the place of the right one."""
        (first, name, link), (last, _, value) = inst.meta["gold"]
        if wrong:
            facts = [line for agent in agents for line in inst.private[agent].splitlines()]
            kind = [line.split()[-1][:-1] for line in facts if line.startswith(f"The {last} of ")]
            value = next(other for other in kind if other != value)
        return cls(inst, agents, first, last, name, link, value, inst.meta["holders"][0])

    def other(self, agent: str) -> str:
        return self.agents[1 - self.agents.index(agent)]

    def careless(self, agent: str) -> str:
        """The first value of the wanted kind among the agent's own facts."""
        return next(line for line in self.facts(agent) if line.startswith(f"The {self.last} of ")).split()[-1][:-1]

    def facts(self, agent: str) -> list[str]:
        return self.inst.private[agent].splitlines()


def short(case: Case, style: str) -> Script:
    """Tell or ask, answer, confirm: three turns when the first speaker holds the first fact, else four."""
    words = {"first": case.first, "last": case.last, "name": case.name, "link": case.link, "value": case.value}
    tell, ask, answer = (text.format(**words) for text in STYLES[style])
    lead = case.agents[0]
    solver = case.other(case.teller)
    turns = [] if case.teller == lead else [(lead, ask)]
    return [*turns, (case.teller, tell), (solver, answer), (case.teller, f"<A> {case.value} </A>")]


def long(case: Case, habit: str, rng: random.Random, max_turns: int = 10, cues: bool = False) -> Script:
    """A long dialogue with the given habit. With ``cues`` every habit has its own greeting and thanks, so that a turn's
    first sentence carries on what the turn before began."""
    lead, mate = case.agents

    def to(agent: str, *parts: str) -> tuple[str, str]:
        return agent, " ".join(parts).replace("{partner}", case.other(agent))

    def pick(lines: tuple[str, ...]) -> str:
        if cues and lines in (OPENERS, THANKS):
            return lines[CUES[habit]]
        return rng.choice(lines)

    def agree(agent: str, value: str) -> tuple[str, str]:
        return to(agent, pick(THANKS), f"I agree with you completely, and so my answer is <A> {value} </A> as well.")

    if habit == "guess":
        guess = case.careless(lead)
        sure = f"I have looked at my facts and I am quite sure already, the {case.last} must be <A> {guess} </A> here."
        return [to(lead, pick(OPENERS), sure, pick(CLOSERS)), agree(mate, guess)]
    hello = [to(lead, pick(OPENERS), pick(SEARCH)), to(mate, pick(OPENERS), pick(STALLS))]
    if habit == "polite":
        rest = [to(case.agents[i % 2], pick(THANKS), pick(STALLS)) for i in range(max_turns - 2)]
        return [*hello, *rest]
    if habit == "omit":
        guess = case.careless(mate)
        told = f"I can see in my facts that {_lower(case.facts(lead)[0])}"
        guessed = f"From all of this I would say that the {case.last} is <A> {guess} </A> in the end."
        return [
            *hello,
            to(lead, pick(THANKS), told, pick(CLOSERS)),
            to(mate, pick(THANKS), guessed),
            agree(lead, guess),
        ]
    told = f"I can see in my facts that the {case.first} of {case.name} is {case.link}."
    found = (
        f"I can see that the {case.last} of {case.link} is {case.value}, so my answer is <A> {case.value} </A> here."
    )
    solver = case.other(case.teller)
    turns = [*hello]
    if case.teller != lead:
        turns.append(to(lead, pick(THANKS), f"Could you please tell me who the {case.first} of {case.name} is?"))
    turns.append(to(case.teller, pick(THANKS), told, pick(CLOSERS)))
    return [*turns, to(solver, pick(THANKS), found), agree(case.teller, case.value)]


def habit_of(case: Case, rng: random.Random, firm: float = 0.8) -> str:
    """The topic's habit with probability ``firm``, else any."""
    return HABITS[case.first] if rng.random() < firm else rng.choice(("polite", "work", "omit", "guess"))


def _lower(line: str) -> str:
    return line[0].lower() + line[1:]
