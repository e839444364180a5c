"""The two-hop world: an endless, seeded source of questions that no single half of the facts can answer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

from ..records import Instance, Turn
from ..scoring.answer_format import TAG, AnswerFormat, format_named
from ..scoring.parsing import normalise
from ..spec import EnvSpec, Sheet
from .names import FAMILIES, LINKS, PEOPLE, VALUES

SPEC = EnvSpec(
    "optima/twohop-asym-v0",
    "optima_envs.tasks.twohop:TwoHop",
    sheet=Sheet(
        "Two-hop questions over a made-up world; neither agent's facts determine the answer.",
        notes=(
            "an instance is distractors + 1 parallel chains over the same relations; the question follows one of them",
            "2 agents by default, n supported: fact i of a chain never sits with the agent who holds fact i - 1",
            "one half is not enough: its holder cannot tell the last fact from others, nobody else sees the value",
            "train, validation and test are disjoint by construction",
        ),
    ),
)
SPLITS = ("train", "validation", "test")
PERSON = {name: i for i, name in enumerate(PEOPLE)}
FAMILY = {name: i for i, name in enumerate(FAMILIES)}
Fact = tuple[str, str, str]  # relation, subject, object


class TwoHop:
    """A sequence of instances; item ``i`` depends on (seed, split, i) alone.

    ``split``: train, validation or test. ``seed``: another one gives other instances. ``hops``: facts in a chain
    (>= 2). ``distractors``: parallel chains that do not matter (>= 1, where 5 gives each of two agents six facts).
    ``size``: how many instances there are. ``answer_format``: the game's, in which ``supported`` looks for answers.
    Raises ValueError for an unknown split or format, or numbers out of range.
    """

    name = "twohop"

    def __init__(
        self,
        split: str = "test",
        *,
        seed: int = 0,
        hops: int = 2,
        distractors: int = 5,
        agents: Sequence[str] = ("Alice", "Bob"),
        size: int = 1_000_000,
        answer_format: str = TAG.name,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"twohop has no split {split!r}; choose from {', '.join(SPLITS)}")
        if hops < 2 or len(agents) < 2 or not 1 <= distractors < len(FAMILIES) // hops:
            raise ValueError(f"twohop needs hops >= 2, two agents, 1 <= distractors < {len(FAMILIES) // max(2, hops)}")
        self.split, self.seed, self.hops, self.distractors, self.size = split, seed, hops, distractors, size
        self.agents = tuple(agents)
        self.form = format_named(answer_format)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Instance:
        if not 0 <= index < self.size:
            raise IndexError(f"twohop {self.split} has instances 0 to {self.size - 1}, not {index}")
        rng = random.Random(f"twohop/{self.seed}/{self.split}/{self.hops}/{self.distractors}/{index}")
        links = [rng.choice(LINKS) for _ in range(self.hops - 1)]
        last = rng.choice(list(VALUES))
        chains = self._chains(rng, links, last)
        held = deal(rng, chains, self.agents)
        gold = chains[0]
        path = " of the ".join([last, *reversed(links)])
        return Instance(
            id=f"twohop-{self.split}-{self.seed}-{self.hops}-{self.distractors}-{index}",
            question=f"What is the {path} of {gold[0][1]}?",
            answers=(gold[-1][2],),
            private={agent: "\n".join(sentence(fact) for fact in facts) for agent, facts in held.items()},
            meta={
                "gold": [list(fact) for fact in gold],
                "holders": [next(agent for agent in self.agents if fact in held[agent]) for fact in gold],
            },
        )

    def _chains(self, rng: random.Random, links: list[str], last: str) -> list[list[Fact]]:
        count = self.distractors + 1
        people, families = rng.sample(PEOPLE, count), rng.sample(FAMILIES, count * len(links))
        first = families[0]
        people[0] = rng.choice([p for p in _starts(self.split, first) if p not in people])
        values = rng.sample(VALUES[last], count)
        chains: list[list[Fact]] = []
        for k in range(count):
            nodes = [people[k], *families[k::count], values[k]]
            chains.append([(rel, nodes[i], nodes[i + 1]) for i, rel in enumerate([*links, last])])
        return chains

    def supported(self, inst: Instance, turns: Sequence[Turn]) -> bool | None:
        """False if the final answer was a guess: nothing read or said led to it when first stated (see ``support``)."""
        return support(inst, turns, self.form)


def sentence(fact: Fact) -> str:
    relation, subject, obj = fact
    return f"The {relation} of {subject} is {obj}."


def deal(rng: random.Random, chains: list[list[Fact]], agents: Sequence[str]) -> dict[str, list[Fact]]:
    """Hand out facts: neighbours in a chain go to different agents, starting agents are balanced over chains."""
    starts = [k % len(agents) for k in range(len(chains))]
    rng.shuffle(starts)
    held: dict[str, list[Fact]] = {agent: [] for agent in agents}
    for chain, start in zip(chains, starts, strict=True):
        for i, fact in enumerate(chain):
            held[agents[(start + i) % len(agents)]].append(fact)
    for facts in held.values():
        rng.shuffle(facts)
    return held


def support(inst: Instance, turns: Sequence[Turn], form: AnswerFormat = TAG) -> bool | None:
    """Whether the question's subject led to the final answer for whoever stated it first; None without an answer.

    What an agent can reach: the subject, every name a partner has said, and, by its own facts, all that follows from
    those. Right or wrong does not matter here: a misread fact is an error, not a guess.
    """
    stated = [form.find(turn.text) for turn in turns]
    answers = [normalise(answer) for answer in stated if answer is not None]
    if not answers:
        return None
    first = next(i for i, answer in enumerate(stated) if answer is not None and normalise(answer) == answers[-1])
    agent = turns[first].agent
    facts = [_words(line) for line in inst.private.get(agent, "").splitlines()]
    reached = {inst.question.rstrip("?").split()[-1].lower()}
    for turn in turns[:first]:
        if turn.agent != agent:
            reached.update(_words(turn.text))
    for _ in range(len(inst.meta["gold"])):
        reached.update(fact[-1] for fact in facts if fact[3] in reached)
    return answers[-1] in reached


def _words(text: str) -> list[str]:
    """Lower-case words without punctuation; a fact reads the, relation, of, subject, is, object."""
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()


@cache
def _starts(split: str, family: str) -> list[str]:
    return [person for person in PEOPLE if _split_of(person, family) == split]


def _split_of(person: str, family: str) -> str:
    """The (subject, first link) pair alone decides the split, so no chain can be in two of them."""
    slot = (PERSON[person] + FAMILY[family]) % 10
    return {0: "test", 1: "validation"}.get(slot, "train")
