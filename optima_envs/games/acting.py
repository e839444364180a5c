"""What games with a world share: agents with parts, limits that count agents' turns alone, views without inventions.

What a game knows of a dialogue is a fold over its turns (``step``), so it is a function of the turns alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from ..records import ENVIRONMENT, Instance, Said, Stop, Turn, View, of_agents
from ..scoring.answer_format import FORMATS
from ..tools.grammar import without_observation
from .rules import Turns, tokens_left

S = TypeVar("S")


@dataclass(frozen=True)
class Acting(Generic[S]):
    """Rules (see rules.py) over named agents, one of whom speaks at a time, and a world that replies.

    ``agents``: distinct names, by default as many of ``names`` as the game has parts. ``max_turns``: turns of all
    agents; the world's replies do not count. ``token_budget``: the dialogue stops once its turns hold that many tokens
    (default None, no budget). ``answer_format``: ``"tag"`` or ``"boxed"``, as in ``RoundRobin``. Raises ValueError
    naming the argument that is wrong.
    """

    agents: tuple[str, ...] = ()
    max_turns: int = 10
    token_budget: int | None = None
    answer_format: str = "tag"
    # put in place as one tuple: dialogues that share the rules at most make each other go through their turns again
    _latest: list[tuple[Instance | None, Turns, Any]] = field(
        init=False, repr=False, compare=False, default_factory=lambda: [(None, (), None)]
    )
    family: ClassVar[str] = "tool"
    names: ClassVar[tuple[str, ...]] = ("Alice", "Bob")

    def __post_init__(self) -> None:
        parts = self.parts
        agents = tuple(self.agents) or self.names[: len(parts)]
        if len(agents) != len(parts) or len(set(agents)) < len(agents):
            raise ValueError(f"agents must be {len(parts)} distinct names ({', '.join(parts)}), got {agents!r}")
        if not all(name and name.strip() == name and name.casefold() != ENVIRONMENT for name in agents):
            raise ValueError(f"agents must have names without outer spaces, other than {ENVIRONMENT!r}, got {agents!r}")
        if self.max_turns < 1:
            raise ValueError(f"max_turns must be at least 1, got {self.max_turns}")
        if self.token_budget is not None and self.token_budget < 1:
            raise ValueError(f"token_budget must be at least 1 or None, got {self.token_budget}")
        if self.answer_format not in FORMATS:
            raise ValueError(f"answer_format must be one of {', '.join(FORMATS)}, got {self.answer_format!r}")
        object.__setattr__(self, "agents", agents)

    @property
    def parts(self) -> tuple[str, ...]:
        """The roles of the agents, in order."""
        raise NotImplementedError

    def instructions(self, inst: Instance, agent: str) -> str:
        """A short statement of the game for ``agent``."""
        raise NotImplementedError

    def start(self) -> S:
        """The state before the first turn."""
        raise NotImplementedError

    def step(self, inst: Instance, state: S, at: int, turn: Turn) -> S:
        """The state after ``turn``, which is the one at index ``at``."""
        raise NotImplementedError

    def role(self, agent: str) -> str:
        return self.parts[self.agents.index(agent)]

    def state(self, inst: Instance, turns: Turns) -> S:
        """The state after ``turns``. Asked again for the same turns, or for more, only what is new is gone through."""
        known_inst, known, state = self._latest[0]
        if known_inst is not inst or len(turns) < len(known) or turns[: len(known)] != known:
            known, state = (), self.start()
        for at in range(len(known), len(turns)):
            state = self.step(inst, state, at, turns[at])
        self._latest[0] = inst, turns, state
        return state

    def shown(self, inst: Instance, turns: Turns) -> Turns:
        """The turns that agents may still see."""
        return turns

    def known(self, inst: Instance, turns: Turns, agent: str) -> str:
        """What only ``agent`` may see."""
        return inst.private.get(agent, "")

    def view(self, inst: Instance, turns: Turns, agent: str) -> View:
        spoken = len(of_agents(turns))
        return View(
            agent,
            tuple(name for name in self.agents if name != agent),
            self.role(agent),
            self.family,
            self.instructions(inst, agent),
            inst.question,
            self.known(inst, turns, agent),
            tuple(_said(turn) for turn in self.shown(inst, turns)),
            spoken,
            max(0, self.max_turns - spoken),
            tokens_left(turns, self.token_budget),
            self.answer_format,
        )

    def limit(self, turns: Turns) -> Stop | None:
        """The limit that was reached, if one was."""
        if len(of_agents(turns)) >= self.max_turns:
            return "max_turns"
        spent = self.token_budget is not None and sum(turn.tokens for turn in turns) >= self.token_budget
        return "token_budget" if spent else None

    def effect(self, inst: Instance, turns: Turns, turn: Turn) -> object:
        """What ``turn``, said after ``turns``, does, whatever its words: turns of other effect are never taken for the
        same one by a tree of dialogues, however alike they look."""
        raise NotImplementedError


def _said(turn: Turn) -> Said:
    # what an agent invents as the world's reply is kept in the record, but nobody is shown it
    return Said(turn.agent, turn.text if turn.agent == ENVIRONMENT else without_observation(turn.text))
