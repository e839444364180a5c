"""Baselines of two lines and suites of seconds, for the tests of the benchmark suite."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.analysis.summary import write_summary
from benchmarks.methods.baseline import BASELINES, Session, baseline
from benchmarks.suite.planning import plan
from benchmarks.suite.running import run
from benchmarks.suite.settings import Suite, suite_of
from optima_agents import Request
from optima_agents.backends.base import Completion, EngineDead
from optima_agents.making import BACKENDS
from optima_envs import Instance, register

opened: list[str] = []  # a line per engine start


async def right(session: Session) -> str | None:
    await session.ask("Alice", session.prompt())
    return session.inst.answers[0]


async def even(session: Session) -> str | None:
    """Right on every second instance, at any seed; twice the calls."""
    await session.together([session.ask("Alice", session.prompt()) for _ in range(2)])
    return session.inst.answers[0] if int(session.inst.id.rpartition("-")[2]) % 2 == 0 else "nonsense"


async def lucky(session: Session) -> str | None:
    """Right in one sample of three; otherwise answers that nobody else gives."""
    await session.ask("Alice", session.prompt(), temperature=session.options["warmth"])
    return session.inst.answers[0] if session.key.sample % 3 == 0 else f"guess {session.key.sample}"


async def broken(session: Session) -> str | None:
    await session.ask("Alice", session.prompt())
    raise ValueError("no such luck")


async def endless(session: Session) -> str | None:
    await session.ask("Alice", session.prompt())
    await asyncio.Event().wait()


async def cancelled(session: Session) -> str | None:
    """Waits for what somebody cancels."""
    work = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(work.cancel)
    return await work


ASKED: list[Instance] = []  # what the environment tests/asked-v0 asks


class Asked(Sequence[Instance]):
    name = "asked"

    def __init__(self, split: str = "test") -> None:
        self.split = split

    def __len__(self) -> int:
        return len(ASKED)

    def __getitem__(self, index):
        return ASKED[index]


def question(number: int) -> Instance:
    private = {"Alice": f"left {number}", "Bob": f"right {number}"}
    return Instance(f"asked-{number}", f"What is {number}?", (f"gold {number}",), private)


async def debater(session: Session) -> str | None:
    return "7"


class Opened:
    """Six words a reply; dies when asked for the model ``mortal`` the fifth time."""

    def __init__(self, model: str) -> None:
        if model == "absent":
            raise OSError("no such model")
        self.model, self.calls = model, 0
        opened.append(model)

    async def complete(self, request: Request) -> Completion:
        self.calls += 1
        if self.model == "mortal" and self.calls > 4:
            raise EngineDead("out of memory")
        return Completion("it may well be that", 6)

    async def aclose(self) -> None:
        opened.append(f"{self.model} closed")


if "small-right" not in BASELINES:
    baseline("small-right")(right)
    baseline("small-even")(even)
    baseline("small-lucky", warmth=0.5)(lucky)
    baseline("small-broken")(broken)
    baseline("small-endless")(endless)
    baseline("small-cancelled")(cancelled)
    baseline("small-oracle", block="oracle")(right)
    baseline("small-debater", families=("debate",))(debater)
    BACKENDS.register("opened", Opened)
    register("tests/asked-v0", task=Asked)


def small(**changes: Any) -> dict[str, Any]:
    """The settings of a suite of two methods on six instances."""
    return {
        "name": "small",
        "envs": [{"id": "twohop-asym"}],
        "models": [{"label": "base", "backend": "opened:base"}],
        "methods": ["small-right", "small-even"],
        "instances": 6,
        "budgets": [4, 64],
        **changes,
    }


def make(**changes: Any) -> Suite:
    return suite_of(small(**changes))


def play(out: Path, only: tuple[str, ...] = (), again: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    """Run a small suite and return its summary."""
    planned = plan(make(**changes))
    return write_summary(planned, out, run(planned, out, only=only, again=again))
