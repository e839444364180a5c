"""Pool: the side that leases. Workers join and leave while it runs; what a lost one had goes to another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ..backends.base import EngineDead
from .leases import LeaseBook
from .worker import Said, Setup

logger = logging.getLogger(__name__)
PATIENCE = 8  # so many workers that never finished anything may be lost with nothing finished in between
OPENING = 3  # one that is lost while it opens its workload counts for so many: the next will hardly do better


class Member(Protocol):
    """A worker as its driver sees it. Any exception from a method means that it is lost."""

    @property
    def name(self) -> str: ...

    async def open(self, setup: Setup) -> int: ...

    async def lease(self, units: list[tuple[Any, Any]]) -> None: ...

    async def news(self) -> list[Said]: ...

    async def forget(self, keys: list[Any]) -> None: ...

    async def stop(self) -> None:
        """End it, however it is; it never comes back."""
        ...


class Source(Protocol):
    """Where workers come from."""

    async def attend(self, crew: Crew) -> None:
        """Let workers join ``crew``, and drain them, until cancelled. Raises when no worker can ever come."""
        ...

    async def aclose(self) -> None:
        """End all its workers."""
        ...


class Pool:
    """Workers of one source. They, and the engines they have open, stay from one workload to the next."""

    def __init__(self, source: Source, *, patience: int = PATIENCE) -> None:
        self.source = source
        self.patience = patience

    @asynccontextmanager
    async def crew(self, setup: Setup) -> AsyncGenerator[Crew]:
        """The workers, as long as they have the workload of ``setup`` open."""
        crew = Crew(setup, self.patience)
        attending = asyncio.create_task(crew.attended(self.source))
        try:
            yield crew
        finally:
            attending.cancel()
            await asyncio.gather(attending, return_exceptions=True)
            await crew.disband()

    async def aclose(self) -> None:
        await self.source.aclose()


@dataclass(slots=True)
class _Asked:
    """A unit of work: ``unit()`` is what a worker is given, ``hear`` gets what it tells on the way."""

    unit: Callable[[], Any]
    hear: Callable[[Any], None] | None
    end: asyncio.Future[Any]


class Crew:
    """Workers over one workload, and the book of what each of them has."""

    def __init__(self, setup: Setup, patience: int = PATIENCE) -> None:
        self.setup = setup
        self.patience = patience
        self.book: LeaseBook[Hashable, _Asked] = LeaseBook()
        self.finished: dict[str, int] = {}  # by worker, those that left included
        self.lost = 0
        self.doubled = 0  # second copies, dropped
        self.members: dict[str, Member] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._room: dict[str, int] = {}  # units at a time, of workers that are open
        self._draining: set[str] = set()
        self._in_a_row = 0
        self._stir = asyncio.Condition()
        self._broken: BaseException | None = None

    async def run(self, key: Hashable, unit: Callable[[], Any], hear: Callable[[Any], None] | None = None) -> Any:
        """What comes of a unit of work, whichever worker does it; ``unit`` is called anew for each that is given it.

        Raises EngineDead when workers are lost one after another, and whatever a Source raises.
        """
        if self._broken is not None:
            raise self._broken
        asked = _Asked(unit, hear, asyncio.get_running_loop().create_future())
        self.book.add(key, asked)
        await self._stirred()
        try:
            return await asked.end
        finally:
            holder = self.book.forget(key)
            if holder in self.members and self._broken is None:
                await self._reach(self.members[holder].forget([key]))

    def join(self, member: Member) -> None:
        """A worker that may be leased work from now on."""
        self.members[member.name] = member
        self._tasks[member.name] = asyncio.create_task(self._employ(member))

    async def drain(self, name: str) -> None:
        """Let a worker finish what it has, and go: it is leased nothing more."""
        self._draining.add(name)
        await self._stirred()

    async def attended(self, source: Source) -> None:
        """``source.attend``; what it raises ends the crew."""
        try:
            await source.attend(self)
        except Exception as err:
            self._fail(err)

    async def disband(self) -> None:
        """Lease nothing more, and have the workers forget what they have."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for name, member in self.members.items():
            if keys := self.book.give_back(name):
                await self._reach(member.forget([*keys]))

    async def _employ(self, member: Member) -> None:
        name, why, opened = member.name, None, False
        work: list[asyncio.Task[None]] = []
        try:
            self._room[name] = await member.open(self.setup)
            opened = True
            await self._stirred()
            work = [asyncio.create_task(self._feed(member)), asyncio.create_task(self._listen(member))]
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in work:
                if task.done():
                    task.result()
        except Exception as err:  # killed, unreachable, its engine dead, its disk full: its work is not done
            why = err
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            self._room.pop(name, None)
        self.members.pop(name, None)
        self._draining.discard(name)
        back = self.book.give_back(name)
        if why is not None:
            self.lost += 1
            if name not in self.finished:  # one that has done something is no sign of a unit, or a setup, that kills
                self._in_a_row += 1 if opened else OPENING
            logger.warning("worker %s is lost, its %d units go to others: %s", name, len(back), _told(why))
        await self._reach(member.stop())
        if self._in_a_row >= self.patience and why is not None:
            self._fail(
                EngineDead(f"workers were lost one after another, and nothing was finished; the last: {_told(why)}")
            )
        await self._stirred()

    async def _feed(self, member: Member) -> None:
        """Lease to a worker whenever it has room, an equal share of what there is; a little more than it can do at
        once, so that it does not wait for us. Ends when it is drained."""
        name = member.name
        while True:
            async with self._stir:
                await self._stir.wait_for(lambda: name in self._draining or self._due(name) > 0)
                if name in self._draining:
                    break
                taken = self.book.lease(name, self._due(name))
            await member.lease([(key, asked.unit()) for key, asked in taken])
        async with self._stir:
            await self._stir.wait_for(lambda: not self.book.held(name))

    def _due(self, name: str) -> int:
        room = self._room[name] + max(1, self._room[name] // 4)
        share = -(-self.book.open // max(1, len(self._room)))
        return min(min(room, max(1, share)) - self.book.held(name), self.book.waiting)

    async def _listen(self, member: Member) -> None:
        while True:
            for said in await member.news():
                self._hear(member.name, said)
            await self._stirred()

    def _hear(self, name: str, said: Said) -> None:
        if not said.final:
            asked = self.book.unit(name, said.key)
            if asked is not None and asked.hear is not None:
                try:
                    asked.hear(said.what)
                except Exception as err:  # the driver's own failure, such as a full disk, is no worker's
                    self._end(self.book.finish(name, said.key), err)
            return
        asked = self.book.finish(name, said.key)
        if asked is None:
            self.doubled += 1
            return
        self._in_a_row = 0
        self.finished[name] = self.finished.get(name, 0) + 1
        if not asked.end.done():
            asked.end.set_result(said.what)

    @staticmethod
    def _end(asked: _Asked | None, err: BaseException) -> None:
        if asked is not None and not asked.end.done():
            asked.end.set_exception(err)

    def _fail(self, err: BaseException) -> None:
        """Nobody gets anything any more but ``err``."""
        self._broken = err
        for name in [*self.members, ""]:
            self.book.give_back(name)
        for _, asked in self.book.lease("", self.book.waiting):
            self._end(asked, err)

    async def _stirred(self) -> None:
        async with self._stir:
            self._stir.notify_all()

    @staticmethod
    async def _reach(call: Any) -> None:
        """Await what may fail because a worker is gone, which then does not matter."""
        try:
            await call
        except Exception as err:
            logger.debug("a worker could not be reached: %s", err)


def _told(err: BaseException) -> str:
    return f"{type(err).__name__}: {' '.join(str(err).split())[:300]}"
