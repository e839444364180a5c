"""What the built-in games share: agents in a fixed order, a turn limit, a token budget, stated answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar, cast, get_args

from ..records import ENVIRONMENT, Instance, Outcome, Turn, View
from ..scoring.answer_format import FORMATS, AnswerFormat
from ..scoring.parsing import normalise
from .rules import Order, Turns, next_speakers, said, tokens_left

# the same turn is looked at again at every later turn
_find = lru_cache(maxsize=128)(AnswerFormat.find)
settled = lru_cache(maxsize=128)(normalise)


@dataclass(frozen=True)
class RoundRobin:
    """Rules (see rules.py) over agents that speak in turn, or all at once.

    ``agents``: two or more distinct names, the first one opens. ``max_turns``: messages in all, of every agent
    (default 10, the paper's code); a simultaneous round that has begun is finished. ``token_budget``: the dialogue
    stops once its turns hold that many tokens (default None, no budget). ``order``: ``"alternating"``, or
    ``"simultaneous"`` for all at once, blind to each other. ``answer_format``: ``"tag"`` for ``<A>answer</A>``,
    ``"boxed"`` for ``\\boxed{answer}``. Raises ValueError naming the argument that is wrong.
    """

    agents: tuple[str, ...] = ("Alice", "Bob")
    max_turns: int = 10
    token_budget: int | None = None
    order: Order = "alternating"
    answer_format: str = "tag"
    family: ClassVar[str] = "talk"
    fewest: ClassVar[int] = 2
    steady_views: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        if cls.view is not RoundRobin.view and "steady_views" not in cls.__dict__:
            cls.steady_views = False  # a game with views of its own is asked for every one of them
        super().__init_subclass__()

    def __post_init__(self) -> None:
        agents = names_of(self.agents, self.fewest)
        if type(self.max_turns) is not int or self.max_turns < 1:
            raise ValueError(f"max_turns must be an int of at least 1, got {self.max_turns!r}")
        if self.token_budget is not None and (type(self.token_budget) is not int or self.token_budget < 1):
            raise ValueError(f"token_budget must be an int of at least 1 or None, got {self.token_budget!r}")
        if self.order not in get_args(Order):
            raise ValueError(f"order must be one of {', '.join(get_args(Order))}, got {self.order!r}")
        if self.answer_format not in FORMATS:
            raise ValueError(f"answer_format must be one of {', '.join(FORMATS)}, got {self.answer_format!r}")
        object.__setattr__(self, "agents", agents)

    @cached_property
    def _fixed(self) -> dict[str, tuple[tuple[str, ...], str, str]]:
        """(partners, role, instructions) of every agent, which no dialogue changes: put together once, since a view is
        built at every turn."""
        others = {agent: tuple(name for name in self.agents if name != agent) for agent in self.agents}
        return {agent: (names, self.role(agent), self.instructions(agent, names)) for agent, names in others.items()}

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
        partners, role, _ = self._fixed[agent]
        setting, progress = self.setting(inst, agent), self.progress(turns)
        return View(
            agent, partners, role, self.family, *setting, said(turns), *progress, answer_format=self.answer_format
        )

    def setting(self, inst: Instance, agent: str) -> tuple[str, str, str]:
        """(instructions, question, private): what ``agent`` is shown all through a dialogue."""
        return self._fixed[agent][2], inst.question, inst.private.get(agent, "")

    def progress(self, turns: Turns) -> tuple[int, int, int | None]:
        """(turn, turns_left, tokens_left) after ``turns``, the same for every agent."""
        spoken, limit, budget = len(turns), self.max_turns, self.token_budget
        left = None if budget is None else tokens_left(turns, budget)
        return spoken, limit - spoken if spoken < limit else 0, left

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
        return _find(self.form, turn.text) if self.entitled(turn.agent) else None

    def last_answer(self, turns: Turns) -> str | None:
        """The answer stated last, or None: the final answer of a dialogue that ran into a limit."""
        return next((answer for turn in reversed(turns) if (answer := self.stated(turn)) is not None), None)


def names_of(agents: object, fewest: int = 2) -> tuple[str, ...]:
    """``agents`` as names. Raises ValueError unless they are ``fewest`` or more, distinct and printable, and none of
    them is that of the world's replies."""
    given = () if isinstance(agents, str) or not isinstance(agents, Sequence) else cast("Sequence[object]", agents)
    names = tuple(name for name in given if isinstance(name, str) and name.strip() == name != "" and name.isprintable())
    if len(names) < fewest or len(names) < len(given) or len(set(names)) < len(names):
        least = "two or more distinct names" if fewest > 1 else "one name"
        raise ValueError(f"agents must be {least}, got {agents!r:.200}")
    if ENVIRONMENT in map(str.casefold, names):
        raise ValueError(f"no agent may be called {ENVIRONMENT!r}, the name of the world's replies: {agents!r:.200}")
    return names
