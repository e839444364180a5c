"""Plan and ground: a planner states subgoals, a grounder turns them into calls, the environment executes those.

| fact | value |
|---|---|
| agents | the ``planner``, the ``grounder``; family ``plan`` |
| private | ``instance.private[agent]`` |
| formulation | ``iterative``: a subgoal at a time, each after the result of the one before; ``onetime``: all at once |
| ends | ``answered``: ``onetime`` after the execution, ``iterative`` when the planner stops |
| answer | the value executed last; the planner's and grounder's own words never count |
| limits | ``max_turns``, ``token_budget``: the value executed last |
| source | Lumos (arXiv 2311.05657): separate models, calls that bind variables, plain code that executes |
| history | v0: first version |
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, get_args

from ..records import ENVIRONMENT, Instance, Outcome, Turn
from ..scoring.thinking import visible
from ..tools.actions import NO_ACTION, OWN_OBSERVATION, SEVERAL
from ..tools.bindings import TOOLS, Executed, execute
from ..tools.calculator import Value
from ..tools.grammar import without_observation
from .acting import Acting
from .replies import reply
from .rules import Turns

Formulation = Literal["iterative", "onetime"]
_SUBGOAL = re.compile(r"\bsubgoal[ \t]*(\d{1,3})[ \t]*[:\uff1a]\s*(?=\S)", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_STOP = re.compile(r"\b(?:yes|stop|done)\b", re.IGNORECASE)
_GO_ON = re.compile(r"\b(?:no|not|keep|continue)\b|n't\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a dialogue stands: who is next (``over``: nobody), the number of the latest subgoal, the variables bound,
    the latest value, and what the world has to say now."""

    phase: Literal["plan", "ground", "over"] = "plan"
    subgoal: str = ""
    variables: Mapping[str, Value] = field(default_factory=dict[str, Value])
    value: str | None = None
    pending: str = ""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanGround(Acting[Progress]):
    """Rules of plan and ground. See ``Acting`` for agents and limits. ``formulation``: see above, default
    ``iterative``; ValueError for another."""

    max_turns: int = 20
    formulation: Formulation = "iterative"
    family: ClassVar[str] = "plan"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.formulation not in get_args(Formulation):
            raise ValueError(f"formulation must be one of {', '.join(get_args(Formulation))}, got {self.formulation!r}")

    @property
    def parts(self) -> tuple[str, ...]:
        return ("planner", "grounder")

    def speakers(self, inst: Instance, turns: Turns) -> tuple[str, ...]:
        return (self.agents[1 if self.state(inst, turns).phase == "ground" else 0],)

    def respond(self, inst: Instance, turns: Turns) -> Turn | None:
        """The result of the calls of the latest turn, or what is wrong with it."""
        pending = self.state(inst, turns).pending
        return reply(pending) if pending else None

    def outcome(self, inst: Instance, turns: Turns) -> Outcome | None:
        now = self.state(inst, turns)
        if now.phase == "over":
            return Outcome("answered", now.value)
        stop = self.limit(turns)
        return None if stop is None else Outcome(stop, now.value)

    def faults(self, inst: Instance, turns: Turns) -> Counter[str]:
        """How often each fault of ``actions.FAULTS`` occurred."""
        return Counter(self.state(inst, turns).faults)

    def start(self) -> Progress:
        return Progress()

    def step(self, inst: Instance, state: Progress, at: int, turn: Turn) -> Progress:
        if turn.agent == ENVIRONMENT:
            return replace(state, pending="")
        return self._planned(state, turn.text) if state.phase == "plan" else self._grounded(state, turn.text)

    def _planned(self, state: Progress, text: str) -> Progress:
        shown = without_observation(text)
        said = visible(shown)
        faults = (*state.faults, *((OWN_OBSERVATION,) if shown != text else ()))
        numbers = [match[1] for match in _SUBGOAL.finditer(said)]
        once = self.formulation == "onetime"
        if not once and not numbers and _STOP.search(said) and not _GO_ON.search(said):
            return replace(state, phase="over", faults=faults)
        if not numbers:
            wanted = "Subgoal 1: ...; Subgoal 2: ..." if once else "Subgoal 1: ..., or stop planning"
            return replace(state, pending=f"error: there is no subgoal; write {wanted}", faults=(*faults, NO_ACTION))
        if not once and len(numbers) > 1:
            return replace(state, pending="error: write one subgoal at a time", faults=(*faults, SEVERAL))
        return replace(state, phase="ground", subgoal=numbers[0], pending="", faults=faults)

    def _grounded(self, state: Progress, text: str) -> Progress:
        result: Executed = execute(text, state.variables)
        faults = (*state.faults, *result.faults)
        if result.error:
            return replace(state, pending=result.error, faults=faults)
        once = self.formulation == "onetime"
        what = "the plan" if once else f"Subgoal {state.subgoal}"
        more = "" if once else " Stop planning, or state the next subgoal."
        return Progress(
            "over" if once else "plan",
            state.subgoal,
            {**state.variables, **result.bound},
            result.shown,
            f"The executed result for {what} is {result.shown}.{more}",
            faults,
        )

    def effect(self, inst: Instance, turns: Turns, turn: Turn) -> object:
        """The numbers in a plan and whether it stops, what a grounder's calls bind; see ``Acting``."""
        state = self.state(inst, turns)
        if state.phase == "plan":
            said = visible(without_observation(turn.text))
            return tuple(_NUMBER.findall(said)), self._planned(state, turn.text).phase
        result = execute(turn.text, state.variables)
        return result.bound, result.shown, result.error

    def instructions(self, inst: Instance, agent: str) -> str:
        planner, grounder = self.agents
        once = self.formulation == "onetime"
        return (
            f"{planner} breaks a task into subgoals, written as Subgoal 1: ..., "
            f"{'all of them in one message' if once else 'one a message, the next after a result'}. "
            f"{grounder} writes calls for them, such as R1 = Calculator(2 * 3); R2 = Calculator(R1 + 1), "
            f"and the environment executes these. Tools: {', '.join(TOOLS.values())}. The last result is the answer"
            f"{'' if once else f'; {planner} ends with: stop planning'}. "
            f"The dialogue ends after {self.max_turns} messages."
        )
