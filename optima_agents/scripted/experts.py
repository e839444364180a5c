"""Experts: scripted policies that know the gold answer and show how a team reaches it, for models to imitate.

One for each family of games: in an exchange the agents tell what they hold until one of them holds everything, who
states the answer, and another agrees; on worlds with tools, the perfect dialogue of a task that knows its own.

How an exchange is worded is a *style*, named after the format (``formats.TALK``) whose hint asks for it: under a hint
a short wording is learned as an answer to that hint, and the plain prompt keeps the long one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optima_envs.records import View
from optima_envs.registry import Registry

from ..formats import FORMATS, PLAIN
from ..policy import Act, Policy
from .fixed import Indexed, Solver, solver, state

if TYPE_CHECKING:
    from optima_envs.scenario import Scenario

LITTLE = frozenset(
    "a an the of in on at to for from by with as and or but is are was were be been being has had have he she it its "
    "his her their they this that these those which who whom whose what when where also there".split()
)
_ASIDE = re.compile(r"\s*\([^()]*\)")
_CALL = re.compile(r"\w+\[")
_NUMBERED = re.compile(r"Document \d+: ")

REACT = "react"
Experts = Callable[["Scenario", str], Callable[[Indexed], Policy]]
EXPERTS: Registry[Experts] = Registry("expert", "optima.experts")
"""By family of games: a function of the scenario and a style to a function of a rollout's job to the policy that plays
it. Raises ValueError for a style or a task it cannot play."""


@dataclass(frozen=True)
class Style:
    """``limit``: words kept of a fact, those around what the question and the answer name; 0: all of them.

    ``little`` keeps articles and the like, ``restate`` has the one who answers tell its own facts too.
    """

    limit: int = 0
    little: bool = True
    restate: bool = False
    before: str = ""
    between: str = " "


STYLES: dict[str, Style] = {
    PLAIN: Style(restate=True),
    "notes": Style(limit=24, before="- ", between="\n"),
    "telegram": Style(limit=14, little=False, between="; "),
}


class Teller:
    """Plays one seat of an exchange whose answer it knows."""

    def __init__(self, answer: str, style: Style) -> None:
        self.answer, self.style = answer, style

    async def act(self, view: View, *, seed: int) -> Act:
        stated = state(self.answer, view.answer_format)
        spoken = {said.agent for said in view.dialogue}
        if view.agent in spoken or not spoken.issuperset(view.partners):
            told = any(stated in said.text for said in view.dialogue)
            return Act(stated if told or view.agent in spoken else self.told(view))
        return Act(f"{self.told(view)} So the answer is {stated}" if self.style.restate else stated)

    def told(self, view: View) -> str:
        """What the speaker holds of use, in the style."""
        wanted = set(words_of(view.question)), set(words_of(self.answer))
        facts = [fact for text in facts_of(view.private) if (fact := self._worded(text, *wanted))]
        return self.style.between.join(self.style.before + fact for fact in facts) or "I hold nothing on this."

    def _worded(self, text: str, question: set[str], answer: set[str]) -> str:
        if not (question | answer) & set(words_of(text)):
            return ""
        if not self.style.limit:
            return text
        aside = _ASIDE.sub("", text)
        words = (text if self.answer in text and self.answer not in aside else aside).split()
        start = window(words, question, answer, self.style.limit)
        kept = words[start : start + self.style.limit]
        if not self.style.little:
            kept = [word for word in kept if word.lower() not in LITTLE]
        return " ".join(kept).rstrip(",;: ")


def facts_of(private: str) -> list[str]:
    """The facts an agent holds: its paragraphs, or its lines where there are no paragraphs; without made-up titles."""
    parts = private.split("\n\n") if "\n\n" in private else private.splitlines()
    return [_NUMBERED.sub("", part, count=1).strip() for part in parts if part.strip()]


def words_of(text: str) -> list[str]:
    """Lower-case words that carry a meaning."""
    return [word for word in re.findall(r"[^\W_]+", text.lower()) if word not in LITTLE]


def window(words: Sequence[str], question: set[str], answer: set[str], limit: int) -> int:
    """Where the first stretch of ``limit`` words begins that holds the most of the answer, and then of the question."""
    meant = [set(words_of(word)) for word in words]

    def worth(start: int) -> tuple[int, int]:
        held = set[str]().union(*meant[start : start + limit])
        return len(held & answer), len(held & question)

    return max(range(max(1, len(words) - limit + 1)), key=worth)


def expert(scenario: Scenario, style: str = PLAIN) -> Callable[[Indexed], Policy]:
    """A function of a rollout job: the expert for that job's instance. Give it to ``Rollouts`` as the policies.

    Raises ValueError for a family of games without an expert, and for a style it does not have.
    """
    family = getattr(scenario.rules, "family", "")
    if family not in EXPERTS:
        raise ValueError(
            f"{scenario.id}: there is no scripted expert for games of the family {family or 'none'!r}, only for "
            f"{', '.join(EXPERTS)}; let a stronger model play (optima rollout --policy openai:URL --out FILE)"
        )
    return EXPERTS[family](scenario, style)


def hint_of(style: str) -> str:
    """The instruction that asks for a style; empty for the plain one."""
    return "" if style == PLAIN else FORMATS[style].hint


@EXPERTS.register("exchange")
def tellers(scenario: Scenario, style: str) -> Callable[[Indexed], Policy]:
    """Agents who tell what they hold."""
    if style not in STYLES:
        raise ValueError(f"no style {style!r}; choose from {', '.join(STYLES)}")
    return lambda job: Teller(scenario.task[job.index].answers[0], STYLES[style])


@EXPERTS.register("tool")
def acting(scenario: Scenario, style: str) -> Callable[[Indexed], Policy]:
    """The perfect dialogue of a task that knows its own (``task.solution``); in the style ``react`` with a thought in
    front of each action."""
    if style not in (PLAIN, REACT):
        raise ValueError(f"worlds are acted upon in the styles {PLAIN} and {REACT}, not {style!r}")
    task = _solved(scenario)
    if style == PLAIN:
        return solver(task)

    def policy(job: Indexed) -> Policy:
        lines = dict(task.solution(task[job.index]))
        return Solver({**lines, "actor": thoughtful(lines["actor"])})

    return policy


def thoughtful(lines: Sequence[str]) -> list[str]:
    """Actions in ReAct's form."""
    thoughts = ["I look for what is asked.", *["This leads to the next step."] * (len(lines) - 2), "Now I know it."]
    marked = [f"Action: {line}" if _CALL.match(line) else line for line in lines]
    return [f"Thought: {thought}\n{line}" for thought, line in zip(thoughts[-len(lines) :], marked, strict=True)]


@EXPERTS.register("plan")
def planning(scenario: Scenario, style: str) -> Callable[[Indexed], Policy]:
    """The perfect dialogue of planner and grounder."""
    if style != PLAIN:
        raise ValueError(f"plans are made in the style {PLAIN} only, not {style!r}")
    task = _solved(scenario)
    return at_once(task) if getattr(scenario.rules, "formulation", "") == "onetime" else solver(task)


def _solved(scenario: Scenario) -> Any:
    if not hasattr(scenario.task, "solution"):
        raise ValueError(f"{scenario.id}: its task knows no perfect dialogues")
    return scenario.task


def at_once(task: Any) -> Callable[[Indexed], Policy]:
    """The perfect dialogues of planner and grounder with all subgoals, and all calls, in one turn each."""

    def policy(job: Indexed) -> Policy:
        lines = task.solution(task[job.index])
        return Solver({"planner": ["; ".join(lines["planner"][:-1])], "grounder": ["\n".join(lines["grounder"])]})

    return policy
