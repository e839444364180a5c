"""Policies that say what they were told to: fixed lines, random words, the gold answer, a known perfect dialogue."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from optima_envs.records import Instance, View
from optima_envs.scenario import Task
from optima_envs.scoring.answer_format import FORMATS, TAG

from ..policy import Act


class Indexed(Protocol):
    """What an oracle asks of a rollout's job: the place of its instance in the task."""

    @property
    def index(self) -> int: ...


WORDS = (
    "the",
    "answer",
    "is",
    "not",
    "here",
    "maybe",
    "I",
    "think",
    "so",
    "yes",
    "no",
    "7",
    "<A> 7 </A>",
    "\\boxed{7}",
)


class Scripted:
    """Says its lines in order, then repeats the last one.

    ``lines`` is a list, a mapping agent -> list, or a function of the view.
    """

    def __init__(self, lines: Sequence[str] | Mapping[str, Sequence[str]] | Callable[[View], str]) -> None:
        self.lines = lines

    async def act(self, view: View, *, seed: int) -> Act:
        if callable(self.lines):
            return Act(self.lines(view))
        lines = self.lines[view.agent] if isinstance(self.lines, Mapping) else self.lines
        if not lines:
            return Act("")
        spoken = sum(said.agent == view.agent for said in view.dialogue)
        return Act(lines[min(spoken, len(lines) - 1)])


class Random:
    """Random words, answers among them; the turn's seed decides."""

    def __init__(self, words: Sequence[str] = WORDS, longest: int = 12) -> None:
        self.words = tuple(words)
        self.longest = longest

    async def act(self, view: View, *, seed: int) -> Act:
        rng = random.Random(seed)
        return Act(" ".join(rng.choices(self.words, k=rng.randint(1, self.longest))))


class Oracle:
    """Knows the gold ``answer`` and states it every turn: the upper bound. ``oracle`` makes one per instance."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    async def act(self, view: View, *, seed: int) -> Act:
        return Act("I agree." if view.role == "critic" else state(self.answer, view.answer_format))


def oracle(task: Task | Sequence[Instance]) -> Callable[[Indexed], Oracle]:
    """A function of a rollout job: the oracle for that job's instance. Give it to ``Rollouts`` as the policies."""
    return lambda job: Oracle(task[job.index].answers[0])


class Solver:
    """Says the ``lines`` of its role in order, the last one again and again; a role without lines approves."""

    def __init__(self, lines: Mapping[str, Sequence[str]]) -> None:
        self.lines = lines

    async def act(self, view: View, *, seed: int) -> Act:
        lines = self.lines.get(view.role) or ("Approve",)
        spoken = sum(said.agent == view.agent for said in view.dialogue)
        return Act(lines[min(spoken, len(lines) - 1)])


class Solved(Protocol):
    """What ``solver`` asks of a task: its instances, and the lines of a perfect dialogue on one by role."""

    def __getitem__(self, index: int, /) -> Instance: ...

    def solution(self, inst: Instance, /) -> Mapping[str, Sequence[str]]: ...


def solver(task: Solved) -> Callable[[Indexed], Solver]:
    """As ``oracle``, where the world has to be acted upon: perfect dialogues of a task that knows them."""
    return lambda job: Solver(task.solution(task[job.index]))


def state(answer: str, answer_format: str) -> str:
    """``answer`` written the way the env reads it."""
    return FORMATS.get(answer_format, TAG).state(answer)
