"""Workers in this process: the real Worker and the real Pool, with nothing between them but a way to die."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial

from optima_agents import Rollouts, make_policy
from optima_agents.workers.dialogues import Dialogues
from optima_agents.workers.pool import Crew, Pool
from optima_agents.workers.worker import Setup, Site, Worker
from optima_envs import scenario

LOADING = threading.Lock()  # transformers loads one model at a time in a process; real workers are processes


class Dead(ConnectionError):
    """What a driver gets from a worker whose process is gone."""


class Here:
    """A member over a Worker of this process. ``die`` is a kill: every call under way and to come fails."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopped = False
        self.worker = Worker()
        self._dead = asyncio.Event()

    def die(self) -> None:
        self._dead.set()
        for task in self.worker._tasks.values():
            task.cancel()

    async def _call(self, work):
        if self._dead.is_set():
            work.close()
            raise Dead(self.name)
        call, dead = asyncio.ensure_future(work), asyncio.ensure_future(self._dead.wait())
        try:
            await asyncio.wait([call, dead], return_when=asyncio.FIRST_COMPLETED)
            if self._dead.is_set():
                raise Dead(self.name)
            return call.result()
        finally:
            call.cancel()
            dead.cancel()

    async def open(self, setup):
        return await self._call(self.worker.open(setup))

    async def lease(self, units):
        return await self._call(self.worker.lease(units))

    async def news(self):
        return await self._call(self.worker.news())

    async def forget(self, keys):
        return await self._call(self.worker.forget(keys))

    async def stop(self):
        self.stopped = True
        await self.worker.close()


class Hired:
    """A source that keeps ``count`` members; ``script(crew, source)`` is what happens meanwhile."""

    def __init__(self, count: int, script: Callable | None = None) -> None:
        self.count, self.script = count, script
        self.members: list[Here] = []
        self.made = 0

    def hire(self) -> Here:
        self.made += 1
        self.members.append(Here(f"here-{self.made}"))
        return self.members[-1]

    async def attend(self, crew: Crew) -> None:
        for member in self.members:
            crew.join(member)
        if self.script is not None:
            self._scripted = asyncio.create_task(self.script(crew, self))
        while True:
            self.members = [member for member in self.members if not member.stopped]
            while len(self.members) < self.count:
                crew.join(self.hire())
            await asyncio.sleep(0.002)

    async def aclose(self) -> None:
        for member in self.members:
            await member.stop()


def opened(env: str, policy: str, options: dict, concurrency: int, site: Site) -> Dialogues:
    with LOADING:
        seat = make_policy(policy, **options)
    return Dialogues(Rollouts(scenario(env), seat, concurrency=concurrency))


def dialogues(policy: str = "fake", concurrency: int = 4, env: str = "twohop-asym", **options) -> Setup:
    return Setup(partial(opened, env, policy, options, concurrency))


def pool(count: int, script: Callable | None = None, **options) -> Pool:
    return Pool(Hired(count, script), **options)
