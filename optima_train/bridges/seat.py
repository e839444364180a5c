"""Seat: one agent's place in a dialogue, taken by whoever calls ``reset`` and ``say``; policies sit in the others.

For trainers that know a single agent and step it themselves. The dialogue is played by ``drive`` in a thread of its
own and waits there until it is this seat's turn.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optima_agents import Act, Job
from optima_agents.backends.own_loop import OwnLoop
from optima_agents.prompts import heard as line
from optima_agents.prompts import messages
from optima_agents.seating import Seating
from optima_agents.serving.drive import drive
from optima_envs.adapters.single import recite

if TYPE_CHECKING:
    from optima_envs import Episode, Scenario, View

WAIT_S = 3_600.0


def reciting(view: View) -> str:
    """The partner of ``SingleSeat``: agrees with the answer it heard last, and until there is one tells its facts."""
    return recite({"dialogue": view.dialogue, "private": view.private})


class Seat:
    """``agent``'s seat (default: the first); ``partners``: what may sit in the others (see ``optima_agents.seating``).

    ``timeout``: seconds without a turn, the caller's own among them, until a dialogue is given up. Use one seat for one
    dialogue at a time. ``episode`` is the record once it is over. Raises ValueError for an agent there is not.
    """

    def __init__(
        self, scenario: Scenario, *, agent: str | None = None, partners: Any = reciting, timeout: float = WAIT_S
    ) -> None:
        agents = scenario.rules.agents
        self.scenario, self.agent = scenario, agents[0] if agent is None else agent
        if self.agent not in agents:
            raise ValueError(f"seat {agent!r} is not an agent of {scenario.id}: {', '.join(agents)}")
        others = tuple(name for name in agents if name != self.agent)
        self._partners = Seating(partners, others) if others else None
        self._timeout = timeout
        self._loop = OwnLoop(f"seat of {self.agent}")
        self._task: asyncio.Task[Episode] | None = None
        self.episode: Episode | None = None

    def reset(self, index: int | None = None, *, sample: int = 0, seed: int = 0) -> View | None:
        """Begin a dialogue on the instance at ``index`` (None: drawn by ``seed``); what the seat sees at its first
        turn, None when the dialogue ended without it. Raises IndexError."""
        return self._loop.wait(self._reset(index, sample, seed))

    def say(self, act: Act | str) -> View | None:
        """Speak; what the seat sees at its next turn, None when the dialogue is over. Raises RuntimeError when it is
        not the seat's turn, EngineDead when a partner's engine is gone."""
        return self._loop.wait(self._say(act))

    async def areset(self, index: int | None = None, *, sample: int = 0, seed: int = 0) -> View | None:
        """``reset`` for a coroutine."""
        return await self._loop.run(self._reset(index, sample, seed))

    async def asay(self, act: Act | str) -> View | None:
        """``say`` for a coroutine."""
        return await self._loop.run(self._say(act))

    def close(self) -> None:
        """End the dialogue and the thread."""
        self._loop.close()

    async def _reset(self, index: int | None, sample: int, seed: int) -> View | None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        task = self.scenario.task
        place = random.Random(seed).randrange(len(task)) if index is None else range(len(task))[index]
        partners: Mapping[str, Any] = {} if self._partners is None else self._partners.of(Job(place, sample, seed))
        self.episode, self._asked = None, asyncio.Queue[Any]()
        self._answer: asyncio.Future[Act | str] | None = None
        work = drive(
            self.scenario, task[place], {**partners, self.agent: self._ask}, sample=sample, seed=seed,
            timeout=self._timeout,
        )  # fmt: skip
        self._task = asyncio.create_task(work)
        asked = self._asked
        self._task.add_done_callback(lambda _: asked.put_nowait(None))
        return await self._next()

    async def _ask(self, view: View, seed: int) -> Act | str:
        self._answer = asyncio.get_running_loop().create_future()
        self._asked.put_nowait(view)
        return await self._answer

    async def _say(self, act: Act | str) -> View | None:
        if self._task is None or self._answer is None or self._answer.done():
            raise RuntimeError(f"it is not {self.agent}'s turn: reset() begins a dialogue")
        self._answer.set_result(act)
        return await self._next()

    async def _next(self) -> View | None:
        view = await self._asked.get()
        if view is None and self._task is not None:
            self.episode = self._task.result()
        return view


def seen(view: View, heard: int | None = None) -> str:
    """What a view shows as text: facts, question and who said what; or, of a dialogue whose first ``heard`` lines were
    shown before, only who said what since."""
    fresh = [line(said) for said in view.dialogue[heard or 0 :] if said.agent != view.agent]
    opening = () if heard is not None else messages(replace(view, dialogue=()))
    return "\n".join([*(message["content"] for message in opening), *fresh])
