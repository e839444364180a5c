"""Tool use: one agent acts on a world by calls, the world answers each; with a checker each action waits for a verdict.

| fact | value |
|---|---|
| agents | the ``actor``; with ``checker`` a second one, the ``checker``; family ``tool`` |
| private | ``instance.private[agent]``, and what earlier attempts taught |
| ends | ``answered``: the actor states the final answer, and is right or has no attempt left |
| limits | ``max_turns``, ``token_budget``, ``steps``: the answer stated last, or what the world then looks like |
| faults | the world says what is wrong, the turn counts, nothing is carried out; ``faults`` counts them by name |
| source | ReAct (arXiv 2210.03629), Reflexion (2303.11366), CMAT (2404.01663) |
| history | v0: first version |
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Literal

from ..records import ENVIRONMENT, Instance, Outcome, Turn
from ..scoring.answer_format import FORMATS
from ..scoring.parsing import normalise
from ..scoring.thinking import visible
from ..tools.actions import OWN_OBSERVATION, SEVERAL, Parsed, parse_action
from ..tools.world import WORLDS, Done, World, clip, offered
from .acting import Acting
from .replies import reply
from .rules import Turns

NO_VERDICT = "no verdict"  # a checker's turn that neither approves nor vetoes
MAX_REFLECTION = 400  # characters that are carried over
NOTE = "note: "
_VERDICT = re.compile(
    r"^[ \t*_>#\"']*(?:verdict[*_ \t]*[:\uff1a][*_ \t]*)?"
    r"(?:(approve[ds]?|accept(?:ed|s)?)|veto(?:e[ds])?|reject(?:ed|s)?)\b",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an attempt stands. ``phase`` says who is next: the actor to ``act`` or ``reflect``, the checker to
    ``check``, or the world, to answer an action (``world``) or to begin ``again``. ``start`` is the index of the
    attempt's first turn, ``asked`` the actor's latest action, ``stated`` its answer unless that was vetoed."""

    phase: Literal["act", "check", "world", "reflect", "again"] = "act"
    attempt: int = 1
    start: int = 0
    steps: int = 0
    done: tuple[Done, ...] = ()
    asked: Parsed = Parsed("")
    vetoed: bool = False
    stated: str | None = None
    memory: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToolUse(Acting[Progress]):
    """Rules of tool use. See ``Acting`` for agents and limits.

    ``world``: a name in ``WORLDS``, or a world. ``checker``: a second agent approves or vetoes each action before the
    world sees it; anything else lets it pass. ``attempts``: after a wrong answer, or too many steps without one, the
    actor says what went wrong, and begins again with an untouched world. It is told whether an answer is right, so
    scores of several attempts are not those of one. ``memory``: how many different reflections, the last ones, an
    attempt begins with instead of the dialogue. ``steps``: actions of one attempt (default None: its share of
    max_turns; with one attempt, no limit of its own). ``lenient``: carry out an action although the agent went on to
    invent the observation. Raises UnknownName for an unknown world and ValueError for other wrong arguments.
    """

    world: str | World = "search"
    checker: bool = False
    attempts: int = 1
    steps: int | None = None
    memory: int = 3
    lenient: bool = False
    _world: World = field(init=False, repr=False, compare=False)
    _steps: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("attempts", 1), ("steps", 1), ("memory", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        shared = max(1, self.max_turns // (self.attempts * len(self.agents)))
        object.__setattr__(self, "_world", WORLDS[self.world] if isinstance(self.world, str) else self.world)
        object.__setattr__(self, "_steps", self.steps or (self.max_turns if self.attempts == 1 else shared))

    @property
    def parts(self) -> tuple[str, ...]:
        return ("actor", "checker") if self.checker else ("actor",)

    def speakers(self, inst: Instance, turns: Turns) -> tuple[str, ...]:
        return (self.agents[1 if self.state(inst, turns).phase == "check" else 0],)

    def respond(self, inst: Instance, turns: Turns) -> Turn | None:
        """What the world says to the latest action, or at the beginning of another attempt."""
        now = self.state(inst, turns)
        if now.phase == "again":
            return reply(f"Attempt {now.attempt + 1} of {self.attempts} begins.")
        if now.phase != "world" or self._over(inst, now):
            return None
        said = self._answer(inst, now)
        if self._failed(now):
            said += f"\nAttempt {now.attempt} of {self.attempts} failed. Say in a sentence or two what to do otherwise."
        return reply(said)

    def outcome(self, inst: Instance, turns: Turns) -> Outcome | None:
        now = self.state(inst, turns)
        if self._over(inst, now):
            return Outcome("answered", self._final(inst, now))
        last = now.phase == "act" and now.attempt == self.attempts and now.steps >= self._steps
        stop = "max_turns" if last else self.limit(turns)
        return None if stop is None else Outcome(stop, self._final(inst, now))

    def faults(self, inst: Instance, turns: Turns) -> Counter[str]:
        """How often each fault occurred: those of ``actions.FAULTS``, and verdicts that could not be read."""
        return Counter(self.state(inst, turns).faults)

    def start(self) -> Progress:
        return Progress()

    def step(self, inst: Instance, state: Progress, at: int, turn: Turn) -> Progress:
        if turn.agent == ENVIRONMENT:
            return self._after_reply(state, at, turn.text)
        if state.phase == "check":
            approved = verdict(turn.text)
            vetoed = approved is False
            faults = state.faults if approved is not None else (*state.faults, NO_VERDICT)
            return replace(state, phase="world", vetoed=vetoed, stated=None if vetoed else state.stated, faults=faults)
        if state.phase == "reflect":
            return replace(state, phase="again", memory=remember(state.memory, turn.text, self.memory))
        asked = self._parsed(inst, turn.text)
        sound = not self._refused(asked)
        return replace(
            state,
            phase="check" if self.checker and sound else "world",
            steps=state.steps + 1,
            asked=asked,
            vetoed=False,
            stated=asked.answer if sound else None,
            faults=(*state.faults, *asked.faults),
        )

    def _after_reply(self, state: Progress, at: int, text: str) -> Progress:
        if state.phase == "again":
            return Progress(attempt=state.attempt + 1, start=at, memory=state.memory, faults=state.faults)
        if state.phase != "world":
            return state
        if state.asked.call is not None and self._carried(state):
            state = replace(state, done=(*state.done, Done(state.asked.call, _observation(text))))
        return replace(state, phase="reflect" if self._failed(state) else "act")

    def _parsed(self, inst: Instance, text: str) -> Parsed:
        return parse_action(text, offered(self._world, inst.meta), self._world.tools, self.answer_format)

    def _answer(self, inst: Instance, now: Progress) -> str:
        if self._refused(now.asked):
            return f"error: {now.asked.reason}"
        if now.vetoed:
            return f"error: {self.agents[1]} vetoed the action, so it was not carried out"
        if now.asked.call is None:
            return "This answer is wrong."
        note = f"{NOTE}{now.asked.reason}\n" if now.asked.reason else ""
        return note + self._world.observe(inst, now.done, now.asked.call)

    def _failed(self, now: Progress) -> bool:
        """Whether the attempt ends here without a right answer and another may follow (see ``_over``)."""
        answered = now.asked.answer is not None and self._carried(now)
        return now.attempt < self.attempts and (answered or now.steps >= self._steps)

    def _over(self, inst: Instance, now: Progress) -> bool:
        if now.phase != "world" or now.asked.answer is None or not self._carried(now):
            return False
        return now.attempt == self.attempts or self._world.solved(inst, self._final(inst, now))

    def _final(self, inst: Instance, now: Progress) -> str | None:
        return self._world.answer(inst, now.done, now.stated)

    def _carried(self, now: Progress) -> bool:
        return not (now.vetoed or self._refused(now.asked))

    def _refused(self, asked: Parsed) -> bool:
        passing = {SEVERAL, OWN_OBSERVATION} if self.lenient else {SEVERAL}
        return not passing.issuperset(asked.faults)

    def effect(self, inst: Instance, turns: Turns, turn: Turn) -> object:
        """The verdict of a checker, the call or answer of an actor; see ``Acting``."""
        if (phase := self.state(inst, turns).phase) == "check":
            return verdict(turn.text)
        if phase != "act":
            return None
        asked = self._parsed(inst, turn.text)
        return asked.call, asked.answer, asked.faults

    def shown(self, inst: Instance, turns: Turns) -> Turns:
        return turns[self.state(inst, turns).start :]

    def known(self, inst: Instance, turns: Turns, agent: str) -> str:
        memory = self.state(inst, turns).memory
        lessons = [f"Learnt in an earlier attempt: {lesson}" for lesson in memory]
        return "\n".join([*filter(None, [inst.private.get(agent, "")]), *lessons])

    def instructions(self, inst: Instance, agent: str) -> str:
        actor = self.agents[0]
        tools = "; ".join(f"{tool.form} {tool.does}" for tool in offered(self._world, inst.meta))
        text = (
            f"{actor} works on a task with tools, one action a message, and the environment answers: {tools}. "
            f"{actor} states the final answer as {FORMATS[self.answer_format].ask(gap='')}."
        )
        if self.checker:
            text += f" Before an action is carried out, {self.agents[1]} replies Approve, or Veto: and why."
        if self.attempts > 1:
            text += f" There are {self.attempts} attempts."
        return f"{text} The dialogue ends after {self.max_turns} messages."


def verdict(text: str) -> bool | None:
    """True for an approval, False for a veto, by the last line that begins with either; None for neither."""
    found = list(_VERDICT.finditer(visible(text)))
    return bool(found[-1][1]) if found else None


def remember(memory: tuple[str, ...], reflection: str, count: int) -> tuple[str, ...]:
    """The last ``count`` different reflections, one line each; the same said again counts once."""
    lesson = clip(" ".join(visible(reflection).split()), MAX_REFLECTION)
    others = [known for known in memory if normalise(known) != normalise(lesson)]
    return tuple([*others, lesson] if lesson else others)[-count:] if count else ()


def _observation(text: str) -> str:
    """A reply without the note on what was wrong with the action."""
    return text.partition("\n")[2] if text.startswith(NOTE) else text
