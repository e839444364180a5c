"""Information-asymmetric question answering: each agent holds a part of the context, all must agree on the answer.

| fact | value |
|---|---|
| agents | 2 by default, n supported; role ``holder``, family ``exchange`` |
| private | ``instance.private[agent]``, shown to that agent alone |
| ends | ``answered``: two different agents' latest stated answers are equal after ``parsing.normalise`` |
| limits | ``max_turns``, ``token_budget``: the answer stated last is the final one |
| source | OPTIMA (arXiv 2410.08115), section 3; its code also lets one agent agree with itself, this does not |
| history | v0: first version |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .round_robin import RoundRobin, settled
from .rules import Turns


@dataclass(frozen=True)
class AsymmetricQA(RoundRobin):
    """Rules of the information exchange. Arguments, defaults and errors: see ``RoundRobin``."""

    family: ClassVar[str] = "exchange"

    def role(self, agent: str) -> str:
        return "holder"

    def instructions(self, agent: str, partners: Sequence[str]) -> str:
        return (
            f"{agent} and {', '.join(partners)} answer one question together; each holds facts the others cannot see. "
            f"An answer is stated as {self.form.ask(gap='')}. The dialogue ends when two agents have stated "
            f"the same answer, or after {self.max_turns} messages."
        )

    def agreed(self, turns: Turns, newest: int) -> str | None:
        # only a newly stated answer can complete an agreement, and most turns state none
        if self.stated(turns[-1]) is None and (newest == 1 or not any(map(self.stated, turns[-newest:]))):
            return None
        latest: dict[str, str] = {}  # newest statement first
        for turn in reversed(turns):
            if turn.agent not in latest and (answer := self.stated(turn)) is not None:
                latest[turn.agent] = answer
                if len(latest) == len(self.agents):
                    break
        if len(latest) < 2:
            return None
        forms = [settled(answer) for answer in latest.values()]
        return next(
            (answer for answer, form in zip(latest.values(), forms, strict=True) if forms.count(form) > 1), None
        )
