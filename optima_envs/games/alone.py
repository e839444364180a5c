"""Alone: one agent holds everything and answers; what the same questions give without any exchange.

| fact | value |
|---|---|
| agents | one; role ``solo``, family ``exchange`` |
| private | ``instance.private[agent]``: all that several agents would have held |
| ends | after its one turn: ``answered`` with what it states, else ``max_turns`` |
| limits | ``token_budget`` |
| history | v0: first version |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .round_robin import RoundRobin
from .rules import Turns


@dataclass(frozen=True)
class Alone(RoundRobin):
    """Rules of an oracle for an exchange. Arguments as in ``RoundRobin``, but ``agents`` is one name and ``max_turns``
    is 1. Raises ValueError for others."""

    agents: tuple[str, ...] = ("Alice",)
    max_turns: int = 1
    family: ClassVar[str] = "exchange"
    fewest: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.agents) > 1:
            raise ValueError(f"agents must be one name, since nobody else plays, got {self.agents!r:.200}")
        if self.max_turns > 1:
            raise ValueError(f"max_turns is 1 for an agent that nobody replies to, got {self.max_turns}")

    def role(self, agent: str) -> str:
        return "solo"

    def instructions(self, agent: str, partners: Sequence[str]) -> str:
        return f"{agent} answers a question from the facts, in one message, and states it as {self.form.ask(gap='')}."

    def agreed(self, turns: Turns, newest: int) -> str | None:
        return self.stated(turns[-1])
