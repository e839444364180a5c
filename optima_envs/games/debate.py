"""Solver and critic: one agent solves, the others check its work; only the solver's answers count.

| fact | value |
|---|---|
| agents | 2 by default, n supported; the first is the ``solver``, the others ``critic``; family ``debate`` |
| private | nothing: all see the question |
| ends | ``answered``: the solver states its previous answer again after a critic spoke in between (3 or more turns) |
| limits | ``max_turns``, ``token_budget``: the solver's last stated answer is the final one |
| source | OPTIMA (arXiv 2410.08115), section 3 |
| history | v0: first version |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .round_robin import RoundRobin, settled
from .rules import Turns


@dataclass(frozen=True)
class SolverCritic(RoundRobin):
    """Rules of the debate. Arguments, defaults and errors: see ``RoundRobin``."""

    family: ClassVar[str] = "debate"

    def role(self, agent: str) -> str:
        return "solver" if agent == self.agents[0] else "critic"

    def instructions(self, agent: str, partners: Sequence[str]) -> str:
        solver, *critics = self.agents
        if agent == solver:
            answer = self.form.ask(gap="")
            part = f"{agent} solves the problem and states the answer as {answer}; {', '.join(critics)} may object."
        else:
            part = f"{solver} solves the problem; {agent} points out mistakes and never states the answer."
        return (
            f"{part} The dialogue ends when {solver} states the same answer again after hearing a critic, "
            f"or after {self.max_turns} messages."
        )

    def entitled(self, agent: str) -> bool:
        return agent == self.agents[0]

    def agreed(self, turns: Turns, newest: int) -> str | None:
        solver = self.agents[0]
        now = next((i for i in range(len(turns) - newest, len(turns)) if turns[i].agent == solver), None)
        answer = None if now is None else self.stated(turns[now])
        if answer is None:
            return None
        heard_critic = False
        for turn in reversed(turns[:now]):
            if turn.agent != solver:
                heard_critic = True
            elif (before := self.stated(turn)) is not None:
                return answer if heard_critic and settled(before) == settled(answer) else None
        return None
