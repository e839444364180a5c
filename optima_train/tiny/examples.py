"""Scripted dialogues -> token-exact training sequences for the embedded model.

A sequence is one agent's view in the very prompt the model later sees; its own turns carry the loss. To learn reading
quickly, several questions over the same facts are pooled into one sequence (dense supervision).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from optima_agents.formats import TALK
from optima_agents.prompts import messages
from optima_envs.records import Instance, Said, View
from optima_envs.tasks.arith import Arith
from optima_envs.tasks.names import FAMILIES, PEOPLE, VALUES
from optima_envs.tasks.twohop import TwoHop

from .debates import DEBATE_STYLES, debate, long_debate, sums
from .scripts import STYLES, Case, Script, habit_of, long, short
from .solo import alone, alone_sum

AGENTS = ("Alice", "Bob")
NAMES = frozenset([*PEOPLE, *FAMILIES, *(value for values in VALUES.values() for value in values)])
Sequence_ = tuple[list[int], list[float]]  # token ids and the loss weight of predicting each


@dataclass
class Examples:
    """Draws sequences. ``tokenizer`` is the embedded one; ``counts`` are the numbers of distractors in reading lessons,
    ``firm`` is how surely a topic calls up its habit, ``starts`` is the loss weight of a sentence's first word and
    ``name_weight`` that of a name or number (other own tokens weigh 1); all randomness comes from ``seed``."""

    tokenizer: Any
    seed: str = "0"
    counts: Sequence[int] = (5,)
    firm: float = 0.8
    starts: float = 1.0
    cues: bool = False
    name_weight: float = 4.0

    def __post_init__(self) -> None:
        self.rng = random.Random(f"pretrain/{self.seed}")
        self.twohop = {count: TwoHop("train", distractors=count) for count in {*self.counts, 5}}
        self.arith = {changes: Arith("train", steps=changes) for changes in (1, 2, 3, 4, 6)}
        self.names = {self.encode(name)[0] for name in (*NAMES, *map(str, range(21)))}
        self.arrow, self.stop = self.encode("->")[0], self.encode("x.")[-1]
        self.equals = self.encode("=")[0]
        self.control = {
            role: self.tokenizer.convert_tokens_to_ids(f"<|{role}|>") for role in ("system", "user", "assistant")
        }
        self.end = self.tokenizer.eos_token_id
        self._cached = cache(self._encode)

    def draw(self, kind: str) -> Sequence_:
        """One sequence of a kind in ``KINDS``."""
        return KINDS[kind](self)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.backend_tokenizer.encode(text.strip(), add_special_tokens=False).ids

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.encode(text))

    def instance(self, distractors: int = 5) -> Instance:
        return self.twohop[distractors][self.rng.randrange(1_000_000)]

    def problem(self, changes: int = 2) -> Instance:
        return self.arith[changes][self.rng.randrange(1_000_000)]

    # -- kinds ---------------------------------------------------------------------------------------------
    def recall(self) -> Sequence_:
        """All facts, then each once more in another order: the densest lesson in looking things up."""
        inst = self.instance(self.rng.choice(self.counts))
        lines = [line for private in inst.private.values() for line in private.splitlines()]
        self.rng.shuffle(lines)
        words = [line[:-1].split() for line in lines] * 2
        self.rng.shuffle(words)
        told = " , ".join(f"{w[3]} -> {w[5]}" for w in words)
        out: Sequence_ = ([], [])
        self._add(out, "user", "Facts:\n" + "\n".join(lines))
        self._add(out, "assistant", told)
        # only what follows an arrow can be known
        return out[0], [0.0, *(float(i == self.arrow) for i in out[0][:-1])]

    def sums(self) -> Sequence_:
        """Sums and differences one after another: the densest lesson in reckoning."""
        out: Sequence_ = ([], [])
        self._add(out, "user", "Question:")
        self._add(out, "assistant", " , ".join(sums(self.rng, 48)))
        return out[0], [0.0, *(float(i == self.equals) for i in out[0][:-1])]

    def pooled(self) -> Sequence_:
        """One view over every chain of an instance, all in one format."""
        inst, agent = self.instance(self.rng.choice(self.counts)), self.rng.choice(AGENTS)
        style = self.rng.choice(list(STYLES))
        cases = chains(inst)
        self.rng.shuffle(cases)
        out: Sequence_ = ([], [])
        for k, case in enumerate(cases):
            script = short(case, style)
            rows = messages(exchange_view(case.inst, agent, script), TALK[style])
            for row in rows if k == 0 else later(rows):
                self._add(out, row["role"], row["content"], own=row["role"] == "assistant")
        return out

    def short(self) -> Sequence_:
        style = self.rng.choice(list(STYLES))
        case = Case.of(self.instance(), AGENTS)
        return self._view(case.inst, short(case, style), TALK[style])

    def long(self) -> Sequence_:
        case = Case.of(self.instance(), AGENTS)
        return self._view(case.inst, long(case, habit_of(case, self.rng, self.firm), self.rng, cues=self.cues), None)

    def debate(self) -> Sequence_:
        style = self.rng.choice(DEBATE_STYLES)
        inst = self.problem()
        return self._debate_view(inst, debate(inst, style, self.rng), TALK[style])

    def long_debate(self) -> Sequence_:
        inst = self.problem()
        return self._debate_view(inst, long_debate(inst, self.rng, self.firm), None)

    def stories(self) -> Sequence_:
        """Equations to stories of up to six changes: the densest lesson in reading amounts off a text."""
        return self._debates("math", (1, 2, 3, 4, 6))

    def pooled_debate(self) -> Sequence_:
        """The solver's part of several debates, all in one format."""
        return self._debates(self.rng.choice(DEBATE_STYLES), (2,))

    def _debates(self, style: str, lengths: Sequence[int]) -> Sequence_:
        out: Sequence_ = ([], [])
        for k in range(4):
            inst = self.problem(self.rng.choice(lengths))
            rows = messages(view_of(inst, AGENTS[0], debate(inst, style, self.rng), "solver", "debate"), TALK[style])
            for row in rows if k == 0 else later(rows):
                self._add(out, row["role"], row["content"], own=row["role"] == "assistant")
        return out

    def alone(self) -> Sequence_:
        """One agent, all facts or half of them, in the prompt single-agent methods use."""
        case = Case.of(self.instance(), AGENTS)
        private, text = alone(case, self.rng, self.firm)
        view = view_of(replace(case.inst, private={AGENTS[0]: private}), AGENTS[0], [], "solo", "exchange")
        return self._rows([*messages(view), {"role": "assistant", "content": text}])

    def alone_sum(self) -> Sequence_:
        """The same for a word problem."""
        inst = self.problem()
        view = view_of(inst, AGENTS[0], [], "solo", "debate")
        return self._rows([*messages(view), {"role": "assistant", "content": alone_sum(inst, self.rng, self.firm)}])

    # -- helpers -------------------------------------------------------------------------------------------
    def _view(self, inst: Instance, script: Script, hint: str | None) -> Sequence_:
        agent = self.rng.choice(AGENTS)
        return self._rows(messages(exchange_view(inst, agent, script), hint))

    def _debate_view(self, inst: Instance, script: Script, hint: str | None) -> Sequence_:
        agent = self.rng.choice(AGENTS)
        role = "solver" if agent == AGENTS[0] else "critic"
        return self._rows(messages(view_of(inst, agent, script, role, "debate"), hint))

    def _rows(self, rows: Sequence[dict[str, str]]) -> Sequence_:
        out: Sequence_ = ([], [])
        for row in rows:
            self._add(out, row["role"], row["content"], own=row["role"] == "assistant")
        return out

    def _add(self, out: Sequence_, role: str, text: str, own: bool = False) -> None:
        ids = [self.control[role], *(self._cached(text) if role == "system" else self.encode(text)), self.end]
        out[0].extend(ids)
        if own:  # the role token is part of the prompt, the end token is said by the agent
            out[1].extend([0.0, *(self._weight(i, before) for i, before in zip(ids[1:], ids, strict=False))])
        else:
            out[1].extend([0.0] * len(ids))

    def _weight(self, token: int, before: int) -> float:
        if token in self.names:
            return self.name_weight
        return self.starts if before == self.stop and token != self.end else 1.0


NAMES_OF_KINDS = (
    *("recall", "pooled", "short", "long", "alone"),
    *("sums", "stories", "pooled_debate", "debate", "long_debate", "alone_sum"),
)
KINDS: dict[str, Callable[[Examples], Sequence_]] = {name: getattr(Examples, name) for name in NAMES_OF_KINDS}


def view_of(inst: Instance, agent: str, script: Script, role: str, family: str) -> View:
    partner = AGENTS[1 - AGENTS.index(agent)]
    dialogue = tuple(Said(who, text) for who, text in script)
    while dialogue and dialogue[-1].agent != agent:  # nothing of the agent's own comes after its last turn
        dialogue = dialogue[:-1]
    private = inst.private.get(agent, "")
    return View(agent, (partner,), role, family, "", inst.question, private, dialogue, len(dialogue), 0)


def exchange_view(inst: Instance, agent: str, script: Script) -> View:
    return view_of(inst, agent, script, "holder", "exchange")


def later(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The rows of a further question over facts already given."""
    opening = rows[1]["content"]
    return [{"role": "user", "content": opening[opening.index("Question: ") :]}, *rows[2:]]


def chains(inst: Instance) -> list[Case]:
    """Every chain of a two-hop instance as a case of its own, the gold one among them."""
    facts = {}
    for agent, private in inst.private.items():
        for line in private.splitlines():
            words = line[:-1].split()
            facts[words[3]] = (words[1], words[3], words[5], agent)
    cases = []
    for first, name, link, holder in facts.values():
        if link in facts:
            last, _, value, other = facts[link]
            meta = {"gold": [[first, name, link], [last, link, value]], "holders": [holder, other]}
            question = f"What is the {last} of the {first} of {name}?"
            cases.append(Case.of(replace(inst, question=question, answers=(value,), meta=meta), AGENTS))
    return cases
