"""What the built-in games share: agents in a fixed order, a turn limit, a token budget, stated answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, get_args

from ..records import Instance, Outcome, Said, Turn, View
from ..scoring.answer_format import FORMATS, AnswerFormat
from ..scoring.parsing import normalise
from .rules import Order, Turns, next_speakers, said, tokens_left

# the same turn is looked at again at every later turn
_find = lru_cache(maxsize=128)(AnswerFormat.find)
settled = lru_cache(maxsize=128)(normalise)


@dataclass(frozen=True)
class RoundRobin:
    """Rules (see rules.py) over agents that speak in turn, or all at once with ``order="simultaneous"``.

    ``agents``: two or more distinct names, the first one opens. ``max_turns``: messages in all, of every agent
    (default 10, the paper's code); a simultaneous round that has begun is finished. ``token_budget``: the dialogue
    stops once its turns hold that many tokens (default None, no budget). ``answer_format``: ``"tag"`` for
    ``<A>answer</A>``, ``"boxed"`` for ``\\boxed{answer}``. Raises ValueError naming the argument that is wrong.
    """

    agents: tuple[str, ...] = ("Alice", "Bob")
    max_turns: int = 10
    token_budget: int | None = None
    order: Order = "alternating"
    answer_format: str = "tag"
    family: ClassVar[str] = "talk"

    def __post_init__(self) -> None:
        agents = tuple(self.agents)
        if (
            len(agents) < 2
            or len(set(agents)) < len(agents)
            or not all(name and name.strip() == name for name in agents)
        ):
            raise ValueError(f"agents must be two or more distinct names, got {agents!r}")
        if self.max_turns < 1:
            raise ValueError(f"max_turns must be at least 1, got {self.max_turns}")
        if self.token_budget is not None and self.token_budget < 1:
            raise ValueError(f"token_budget must be at least 1 or None, got {self.token_budget}")
        if self.order not in get_args(Order):
            raise ValueError(f"order must be one of {', '.join(get_args(Order))}, got {self.order!r}")
        if self.answer_format not in FORMATS:
            raise ValueError(f"answer_format must be one of {', '.join(FORMATS)}, got {self.answer_format!r}")
        object.__setattr__(self, "agents", agents)
        # a view is built for every agent at every turn, so what never changes is put together once
        fixed = {}
        for agent in agents:
            partners = tuple(name for name in agents if name != agent)
            fixed[agent] = (partners, self.role(agent), self.instructions(agent, partners))
        object.__setattr__(self, "_fixed", fixed)
        object.__setattr__(self, "_heard", [((), ())])  # in a list, which a frozen object may fill

    @property
    def form(self) -> AnswerFormat:
        """The form in which answers are stated."""
        return FORMATS[self.answer_format]

    def role(self, agent: str) -> str:
        """The part ``agent`` plays."""
        raise NotImplementedError

    def instructions(self, agent: str, partners: Sequence[str]) -> str:
        """A short statement of the game for ``agent``."""
        raise NotImplementedError

    def entitled(self, agent: str) -> bool:
        """Whether an answer stated by ``agent`` counts."""
        return True

    def agreed(self, turns: Turns, newest: int) -> str | None:
        """The answer the ``newest`` last turns settled, if they did; earlier turns settled nothing."""
        raise NotImplementedError

    def speakers(self, inst: Instance, turns: Turns) -> tuple[str, ...]:
        return next_speakers(self.agents, turns, self.order)

    def view(self, inst: Instance, turns: Turns, agent: str) -> View:
        partners, role, instructions = self._fixed[agent]  # type: ignore[attr-defined]
        dialogue, turn, turns_left, left = self.progress(turns)
        return View(
            agent,
            partners,
            role,
            self.family,
            instructions,
            inst.question,
            inst.private.get(agent, ""),
            dialogue,
            turn,
            turns_left,
            left,
            self.answer_format,
        )

    def progress(self, turns: Turns) -> tuple[tuple[Said, ...], int, int, int | None]:
        """(dialogue, turn, turns_left, tokens_left): all of a view that changes while a dialogue goes on, the same for
        every agent. Of the dialogue only what was not asked for the last time is built."""
        heard: list[Any] = self._heard  # type: ignore[attr-defined]
        known, dialogue = heard[0]
        spoken, limit, budget = len(turns), self.max_turns, self.token_budget
        if known is not turns:
            shared = len(known)
            # its last turn first: where many dialogues take turns, comparing texts costs more than it saves
            if shared and (len(turns) < shared or turns[shared - 1] is not known[-1] or turns[:shared] != known):
                shared, dialogue = 0, ()
            dialogue += said(turns[shared:])
            heard[0] = turns, dialogue
        return (
            dialogue,
            spoken,
            limit - spoken if spoken < limit else 0,
            None if budget is None else tokens_left(turns, budget),
        )

    def outcome(self, inst: Instance, turns: Turns) -> Outcome | None:
        newest = len(self.agents) if self.order == "simultaneous" else 1
        if not turns or len(turns) % newest:
            return None
        answer = self.agreed(turns, newest)
        if answer is not None:
            return Outcome("answered", answer)
        if len(turns) >= self.max_turns:
            return Outcome("max_turns", self.last_answer(turns))
        if self.token_budget is not None and sum(turn.tokens for turn in turns) >= self.token_budget:
            return Outcome("token_budget", self.last_answer(turns))
        return None

    def stated(self, turn: Turn) -> str | None:
        """The answer stated in ``turn``; None when there is none or its speaker is not entitled to give one."""
        form = self.form
        if form.mark not in turn.text or not self.entitled(turn.agent):  # most turns need no reading
            return None
        return _find(form, turn.text)

    def last_answer(self, turns: Turns) -> str | None:
        """The answer stated last, or None: the final answer of a dialogue that ran into a limit."""
        return next((answer for turn in reversed(turns) if (answer := self.stated(turn)) is not None), None)
