"""Scripted models for tests of methods: a backend that keeps every request, and one instance played by one method."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.methods.baseline import BASELINES, Baseline, Session
from optima_agents import Request, Sampling
from optima_agents.backends.base import Completion
from optima_envs.games.asymmetric import AsymmetricQA
from optima_envs.games.debate import SolverCritic
from optima_envs.records import Episode, EpisodeKey, Instance, Turn, Usage
from optima_envs.scenario import Scenario
from optima_envs.scoring.metrics import METRICS


class Recorder:
    """Says its lines in order, the last one again and again; or what a function makes of the request."""

    def __init__(self, replies: Sequence[str] | Callable[[Request], str], tokens: int | None = None) -> None:
        self.replies, self.tokens = replies, tokens
        self.requests: list[Request] = []

    async def complete(self, request: Request) -> Completion:
        number = len(self.requests)
        self.requests.append(request)
        await asyncio.sleep(0)  # as with a real engine, others may run before the reply is there
        text = self.replies(request) if callable(self.replies) else self.replies[min(number, len(self.replies) - 1)]
        tokens = len(text.split()) if self.tokens is None else self.tokens
        return Completion(text, tokens, usage=Usage(10, tokens, 5))

    async def aclose(self) -> None:
        """Nothing to close."""


class Watched(Session):
    """A session that notes under whose name each request was made, in the order in which they were begun."""

    def watch(self, names: list[str]) -> Watched:
        self.names = names  # attempts share the list
        return self

    async def ask(self, agent: str, *args: Any, **kwargs: Any) -> Turn:
        self.names.append(agent)
        return await super().ask(agent, *args, **kwargs)


@dataclass(frozen=True)
class Played:
    """The record, under whose name each request was made, and the requests, both in the order they were begun."""

    episode: Episode
    agents: list[str]
    requests: list[Request]

    @property
    def last(self) -> list[str]:
        """What each call was asked last."""
        return [request.messages[-1]["content"] for request in self.requests]


def exchange(agents: Sequence[str] = ("Alice", "Bob"), metric: str = "f1", **rules: Any) -> Scenario:
    """One question whose agents hold ``SECRET-<name>``; the gold is ``teal``."""
    inst = Instance("q0", "Which colour?", ("teal",), {name: f"SECRET-{name}" for name in agents})
    return Scenario("tests/exchange-v0", AsymmetricQA(tuple(agents), **rules), [inst], METRICS[metric])  # type: ignore[arg-type]


def debate(metric: str = "number", gold: str = "7", meta: Mapping[str, Any] | None = None, **rules: Any) -> Scenario:
    """One problem that all agents see, with answers in boxes; the gold is 7."""
    inst = Instance("q0", "How many?", (gold,), meta=meta or {})
    return Scenario("tests/debate-v0", SolverCritic(**{"answer_format": "boxed", **rules}), [inst], METRICS[metric])  # type: ignore[arg-type]


def play(
    method: str | Baseline,
    scenario: Scenario,
    backend: Recorder | Sequence[str] | Callable[[Request], str],
    *,
    index: int = 0,
    sample: int = 0,
    temperature: float = 0.0,
    **options: Any,
) -> Played:
    """One instance of the scenario under a method."""
    found = BASELINES[method] if isinstance(method, str) else method
    recorder = backend if isinstance(backend, Recorder) else Recorder(backend)
    inst = scenario.task[index]
    sampling = Sampling(temperature, 1.0, 64)
    key, names = EpisodeKey(inst.id, sample), []
    session = Watched(found, scenario, inst, key, recorder, sampling, options).watch(names)

    return Played(asyncio.run(failing(session)), names, recorder.requests)


async def failing(session: Session) -> Episode:
    """The record of a session played to its end; what fails is raised and not recorded."""
    return session.record(await session.run(), 0.0)


def recorded(session: Session, answer: str | None) -> Episode:
    """The record of a session that ends with an answer."""
    return session.record(asyncio.run(session.finished(answer)), 0.0)
