"""Baselines: each one small async function, a Session in, the answer out. The session makes every call, so tokens,
calls and seconds are counted alike for all methods."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from optima_agents import Request, Sampling
from optima_agents.backends.base import Backend, Message
from optima_agents.dialogue import turn_seed
from optima_agents.llm import Prompt
from optima_agents.prompts import messages
from optima_envs.parsing import extract, normalise
from optima_envs.records import Episode, EpisodeKey, Instance, Outcome, Said, Turn, View
from optima_envs.registry import Registry

if TYPE_CHECKING:
    from optima_envs.scenario import Scenario

Run = Callable[["Session"], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A method: ``run`` plays one instance and returns the final answer (None: it has none).

    ``block`` tells readers what it may use: ``fair``; ``oracle`` sees what no agent of the environment sees;
    ``feedback`` is told the score. ``defaults`` are its options, ``families`` the environments it is for (empty: all).
    """

    name: str
    run: Run
    block: str = "fair"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    families: tuple[str, ...] = ()


BASELINES: Registry[Baseline] = Registry("baseline", "optima.baselines")


def baseline(name: str, *, block: str = "fair", families: Sequence[str] = (), **defaults: Any) -> Callable[[Run], Run]:
    """Register ``async def method(session) -> answer``; keywords are its options and their defaults."""

    def add(run: Run) -> Run:
        BASELINES.register(name, Baseline(name, run, block, defaults, tuple(families)))
        return run

    return add


class Session:
    """One instance under one method.

    ``options`` are the method's options over its defaults; ``turns`` are all calls so far, in the order in which they
    were begun.
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
        unknown = [name for name in options or {} if name not in method.defaults]
        if unknown:
            known = ", ".join(method.defaults) or "none"
            raise TypeError(f"baseline {method.name} takes no option {', '.join(unknown)}; its options: {known}")
        self.method, self.scenario, self.inst, self.key = method, scenario, inst, key
        self.backend, self.sampling = backend, sampling
        self.options = {**method.defaults, **(options or {})}
        self.info: dict[str, Any] = {"method": method.name}
        self._calls: list[Turn | None] = []
        self._unparsed = 0
        self._started = time.perf_counter()

    @property
    def agents(self) -> tuple[str, ...]:
        return self.scenario.rules.agents

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Finished calls."""
        return tuple(turn for turn in self._calls if turn is not None)

    async def ask(self, agent: str, prompt: Sequence[Message], **sampling: Any) -> Turn:
        """One completion of ``prompt`` under ``agent``'s name; ``sampling`` overrides fields such as temperature.

        Calls may run at the same time (``asyncio.gather``); seeds go by the order in which they were begun.
        """
        number = len(self._calls)
        self._calls.append(None)
        wanted = replace(self.sampling, **sampling)
        seed = turn_seed(self.key, number, agent)
        done = await self.backend.complete(Request(tuple(prompt), sampling=wanted, seed=seed))
        turn = Turn(agent, done.text, done.tokens, finish=done.finish, usage=done.usage)
        self._calls[number] = turn
        return turn

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
        """All agents' private texts, for methods marked ``oracle``."""
        return "\n".join(text for text in self.inst.private.values() if text)

    def answer_in(self, turn: Turn | str) -> str | None:
        """The answer stated in a text, by the environment's own parser; a text without one is counted."""
        text = turn if isinstance(turn, str) else turn.text
        found = extract(text, self.view().answer_format)
        self._unparsed += found is None
        return found

    @staticmethod
    def same(first: str | None, second: str | None) -> bool:
        """Whether two answers are the same one after normalisation."""
        return first is not None and second is not None and normalise(first) == normalise(second)

    async def dialogue(self, prompt: Prompt = messages, hint: str | None = None, **sampling: Any) -> str | None:
        """The environment's own dialogue, alternating agents under its rules; returns the final answer."""
        rules, heard = self.scenario.rules, ()
        while (outcome := rules.outcome(self.inst, heard)) is None:
            speakers = rules.speakers(self.inst, heard)
            heard += tuple(
                [await self.ask(a, prompt(rules.view(self.inst, heard, a), hint), **sampling) for a in speakers]
            )
        self.info["stop"] = outcome.stop
        return outcome.answer

    def episode(self, answer: str | None) -> Episode:
        """The record: all calls as turns, judged by the environment's metric."""
        outcome = Outcome("max_turns" if answer is None else "answered", answer)
        score, correct = self.scenario.judge(self.inst, self.turns, outcome)
        info = {**self.info, "block": self.method.block, "calls": len(self._calls), "unparsed": self._unparsed}
        seconds = time.perf_counter() - self._started
        return Episode(
            self.key, self.scenario.id, self.inst, self.turns, outcome, score, correct, seconds=seconds, info=info
        )
