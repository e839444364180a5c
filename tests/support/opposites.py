"""A world whose two agents read the very same prompt and must say opposite things: nothing but weights can tell them
apart."""

from __future__ import annotations

from dataclasses import dataclass

from optima_envs import Instance, Outcome, Sheet, View, register

SAID = {"Left": "yes", "Right": "no"}
SIZE = 24


@dataclass(frozen=True)
class Opposites:
    """Both speak once, at the same time."""

    agents: tuple[str, ...] = tuple(SAID)
    max_turns: int = 2

    def speakers(self, inst, turns) -> tuple[str, ...]:
        return self.agents

    def view(self, inst, turns, agent) -> View:
        return View("Player", ("Partner",), "holder", "exchange", "Speak.", inst.question, "", (), 0, 1)

    def outcome(self, inst, turns) -> Outcome | None:
        return Outcome("answered", " ".join(turn.text.strip() for turn in turns)) if turns else None


def questions(split: str = "test") -> list[Instance]:
    return [Instance(f"{split}-{k}", f"Round {k}?", (" ".join(SAID.values()),)) for k in range(SIZE)]


register("tests/opposites-v0", task=questions, rules=Opposites, sheet=Sheet("Opposite conventions."))
