"""Errands for an old and a new tool: the question names tool and thing, and only having learned it tells the call."""

from __future__ import annotations

from dataclasses import dataclass

from optima_envs import Instance, Outcome, Sheet, View, register

THINGS = "apple brick cedar drum ember flint grain horn".split()


@dataclass(frozen=True)
class OneCall:
    """The agent speaks once."""

    agents: tuple[str, ...] = ("Alice",)
    max_turns: int = 1

    def speakers(self, inst, turns) -> tuple[str, ...]:
        return self.agents

    def view(self, inst, turns, agent) -> View:
        return View("Alice", (), "actor", "errands", "Call.", inst.question, "", (), 0, 1)

    def outcome(self, inst, turns) -> Outcome | None:
        return Outcome("answered", turns[0].text.strip()) if turns else None


def errands(split: str = "old") -> list[Instance]:
    """``old`` or ``new``; a thing's place in the alphabet for the one, from its end for the other."""
    things = THINGS if split == "old" else THINGS[::-1]
    return [Instance(f"{split}-{k}", f"{split} {thing}", (f"{split} {k}",)) for k, thing in enumerate(things)]


register("tests/errands-v0", task=errands, rules=OneCall, metric="em", sheet=Sheet("Errands for two tools."))
