"""Baselines: each one small async function, a Session in, the answer out. The session makes every call, so tokens,
calls and seconds are counted alike for all methods."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from optima_agents import Request, Sampling
from optima_agents.backends.base import Backend, Message, Tokens
from optima_agents.dialogue import MAX_CHARS, turn_seed
from optima_agents.llm import Prompt
from optima_agents.prompts import ANSWER, messages
from optima_envs.records import Episode, EpisodeKey, ErrorInfo, Instance, Outcome, Said, Stop, Turn, View
from optima_envs.registry import Registry
from optima_envs.scoring.parsing import extract, normalise
from optima_envs.tokens import words

from .catalogue import METHODS

if TYPE_CHECKING:
    from optima_envs.scenario import Scenario

T = TypeVar("T")
Run = Callable[["Session"], Awaitable[str | None]]
NOTHING_PRIVATE = ("debate",)  # families in which every agent sees all there is
ATTEMPTS = 1_000  # attempts have sample numbers of their own; more than these of one episode share those of the next


@dataclass(frozen=True, slots=True)
class Baseline:
    """A method: ``run`` plays one instance and returns the final answer (None: it has none).

    ``block`` tells readers what it may use: ``fair``; ``oracle`` sees what no agent of the environment sees;
    ``feedback`` is told whether its answer is right. ``defaults`` are its options, ``choices`` the values of those
    that have only a few, ``families`` the environments it is for (empty: all).
    """

    name: str
    run: Run
    block: str = "fair"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    families: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def settings(self, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """``options`` over the defaults. Raises TypeError for an option it does not have, ValueError for a value that
        is not of its default's kind; whole ones are at least 1 where the default is."""
        options = options or {}
        unknown = [name for name in options if name not in self.defaults]
        if unknown:
            known = ", ".join(self.defaults) or "none"
            raise TypeError(f"baseline {self.name} takes no option {', '.join(unknown)}; its options: {known}")
        for name, value in options.items():
            wanted = _wanted(self.defaults[name], self.choices.get(name))
            if not wanted[1](value):
                raise ValueError(f"baseline {self.name}: option {name} must be {wanted[0]}, got {value!r}")
        return {**self.defaults, **options}

    def block_in(self, family: str, options: Mapping[str, Any] | None = None) -> str:
        """``block`` in environments of ``family``: an oracle is fair where nothing is private, and where its option
        ``context`` is ``half``."""
        plain = family in NOTHING_PRIVATE or self.settings(options).get("context") == "half"
        return "fair" if self.block == "oracle" and plain else self.block


BASELINES: Registry[Baseline] = Registry("baseline", "optima.baselines")
for _name, _target in METHODS.items():
    BASELINES.register(_name, _target)


def baseline(name: str, *, block: str = "fair", families: Sequence[str] = (), **defaults: Any) -> Callable[[Run], Run]:
    """Register ``async def method(session) -> answer``; keywords are its options and their defaults."""

    def add(run: Run) -> Run:
        BASELINES.register(name, Baseline(name, run, block, defaults, tuple(families)))
        return run

    return add


class Session:
    """One instance under one method.

    ``options`` are the method's options over its defaults; ``turns`` are all calls so far, in the order in which they
    were begun; what is put into ``info`` (plain JSON) is kept with the episode.
    """

    def __init__(
        self,
        method: Baseline,
        scenario: Scenario,
        inst: Instance,
        key: EpisodeKey,
        backend: Backend,
        sampling: Sampling,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.method, self.scenario, self.inst, self.key = method, scenario, inst, key
        self.backend, self.sampling = backend, sampling
        self.options = method.settings(options)
        self.family = self.view().family
        self.block = method.block_in(self.family, options)
        self.info: dict[str, Any] = {"method": method.name}
        self._calls: list[Turn | None] = []
        self._said = 0
        self._unparsed = 0
        self._stop: Stop | None = None
        self._started = time.perf_counter()

    @property
    def agents(self) -> tuple[str, ...]:
        return self.scenario.rules.agents

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Finished calls."""
        return tuple(turn for turn in self._calls if turn is not None)

    @property
    def tokens(self) -> int:
        """Completion tokens of all finished calls."""
        return sum(turn.tokens for turn in self.turns)

    @property
    def answer_form(self) -> str:
        """How an answer is written in this environment, to be put into instructions."""
        return ANSWER[self.view().answer_format]

    async def ask(self, agent: str, prompt: Sequence[Message], *, seed: int | None = None, **sampling: Any) -> Turn:
        """One completion of ``prompt`` under ``agent``'s name; ``sampling`` overrides fields such as temperature.

        Calls may run at the same time (``together``); seeds go by the order in which they were begun.
        """
        number = len(self._calls)
        self._calls.append(None)
        wanted = replace(self.sampling, **sampling)
        seed = turn_seed(self.key, number, agent) if seed is None else seed
        done = await self.backend.complete(Request(tuple(prompt), sampling=wanted, seed=seed))
        finish = done.finish if len(done.text) <= MAX_CHARS else "length"
        turn = Turn(agent, done.text[:MAX_CHARS], done.tokens, finish=finish, usage=done.usage, thinking=done.thinking)
        self._calls[number] = turn
        return turn

    def say(self, agent: str, text: str) -> Turn:
        """A message that no model wrote: no call, but its tokens count (the model's own; words without a tokenizer)."""
        count = len(self.backend.encode(text)) if isinstance(self.backend, Tokens) else words(text)
        turn = Turn(agent, text, count)
        self._calls.append(turn)
        self._said += 1
        return turn

    async def together(self, coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """Results of calls that run at the same time; all of them end before the first failure, in order, is raised."""
        results = await asyncio.gather(*coroutines, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results  # type: ignore[return-value]

    async def attempts(self, first: int, count: int, play: Callable[[Session], Coroutine[Any, Any, T]]) -> list[T]:
        """``play`` on attempts ``first .. first + count - 1`` at the same time, each a session with seeds of its own:
        attempt i of sample 0 draws what sample i of the method played once would draw. All calls are kept, attempt
        by attempt."""
        keys = [replace(self.key, sample=self.key.sample * ATTEMPTS + first + i) for i in range(count)]
        parts = [self._part(key) for key in keys]
        try:
            return await self.together([play(part) for part in parts])
        finally:
            for part in parts:
                self._calls += part._calls
                self._said += part._said
                self._unparsed += part._unparsed

    def _part(self, key: EpisodeKey) -> Session:
        part = copy.copy(self)
        part.key, part.info = key, {}
        part._calls, part._said, part._unparsed = [], 0, 0
        return part

    def view(
        self, agent: str | None = None, *, role: str = "solo", private: str | None = None, said: Sequence[Said] = ()
    ) -> View:
        """What an agent in ``role`` sees: by default the first agent, with its own private text."""
        agent = agent or self.agents[0]
        view = self.scenario.rules.view(self.inst, (), agent)
        return replace(
            view, role=role, private=view.private if private is None else private, dialogue=tuple(said), turn=len(said)
        )

    def prompt(self, agent: str | None = None, hint: str | None = None, **view: Any) -> tuple[Message, ...]:
        """The chat prompt of ``view(agent, **view)``; ``hint`` is one more instruction."""
        return messages(self.view(agent, **view), hint)

    def whole_context(self) -> str:
        """All agents' private texts. Raises RuntimeError in a method that is not marked as reading them."""
        if self.block == "fair" and self.family not in NOTHING_PRIVATE:
            raise RuntimeError(f"baseline {self.method.name} reads every agent's facts; mark it block='oracle'")
        return "\n".join(text for text in self.inst.private.values() if text)

    async def solved(self, answer: str | None) -> bool:
        """Whether the answer is right. Raises RuntimeError in a method that is not marked as using feedback."""
        if self.block != "feedback":
            raise RuntimeError(f"baseline {self.method.name} asks for the score; mark it block='feedback'")
        outcome = Outcome("answered", answer)
        return (await asyncio.to_thread(self.scenario.judge, self.inst, self.turns, outcome))[1]

    def answer_in(self, turn: Turn | str) -> str | None:
        """The answer stated in a text, by the environment's own parser; a text without one is counted."""
        text = turn if isinstance(turn, str) else turn.text
        return self.parsed(extract(text, self.view().answer_format))

    def parsed(self, found: T | None) -> T | None:
        """What a parser found in a reply, as it is; None is counted as a reply that could not be read."""
        self._unparsed += found is None
        return found

    @staticmethod
    def same(first: str | None, second: str | None) -> bool:
        """Whether two answers are the same one after normalisation."""
        return first is not None and second is not None and normalise(first) == normalise(second)

    async def dialogue(self, prompt: Prompt = messages, hint: str | None = None, **sampling: Any) -> str | None:
        """The environment's own dialogue under its rules; returns the final answer. Turn for turn what a rollout of
        the same key, prompt and sampling gives."""
        rules, heard = self.scenario.rules, ()
        while (outcome := rules.outcome(self.inst, heard)) is None:
            views = [rules.view(self.inst, heard, agent) for agent in rules.speakers(self.inst, heard)]
            heard += tuple(
                await self.together(
                    [
                        self.ask(
                            view.agent,
                            prompt(view, hint),
                            seed=turn_seed(self.key, len(heard), view.agent),
                            **self._within(view, sampling),
                        )
                        for view in views
                    ]
                )
            )
        self._stop = outcome.stop
        return self.parsed(outcome.answer)

    def _within(self, view: View, sampling: dict[str, Any]) -> dict[str, Any]:
        """``sampling`` with the limit lowered to what is left of the dialogue's token budget."""
        limit = sampling.get("max_tokens", self.sampling.max_tokens)
        return (
            sampling if view.tokens_left is None else {**sampling, "max_tokens": max(1, min(limit, view.tokens_left))}
        )

    def episode(self, answer: str | None, error: ErrorInfo | None = None) -> Episode:
        """The record: all calls as turns, judged by the environment's metric; with ``error``, a failure scored 0."""
        stop: Stop = self._stop or ("max_turns" if answer is None else "answered")
        outcome = Outcome("error") if error else Outcome(stop, answer)
        score, correct = (0.0, False) if error else self.scenario.judge(self.inst, self.turns, outcome)
        calls = len(self._calls) - self._said
        info = {**self.info, "block": self.block, "calls": calls, "unparsed": self._unparsed}
        return Episode(
            self.key,
            self.scenario.id,
            self.inst,
            self.turns,
            outcome,
            score,
            correct,
            error=error,
            seconds=time.perf_counter() - self._started,
            info=info,
        )


def _wanted(default: Any, choices: tuple[str, ...] | None) -> tuple[str, Callable[[Any], bool]]:
    """What an option with that default must be, in words and as a test."""
    if choices is not None:
        return f"one of {', '.join(choices)}", lambda value: value in choices
    if type(default) is int:
        least = min(1, default)
        return f"a whole number of at least {least}", lambda value: type(value) is int and value >= least
    if default is None or type(default) is float:
        kind = "a number of at least 0" + (", or null" if default is None else "")
        return kind, lambda value: (value is default) or (type(value) in (int, float) and 0 <= value < float("inf"))
    return f"a {type(default).__name__}", lambda value: type(value) is type(default)
