"""Worker: the side that plays. It opens a workload once, is leased units of it, and tells what comes of them.

It knows nothing of how it is called: in the same process, or as an actor on another machine. All that crosses between
driver and worker can be pickled by value or by import path.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..backends.base import EngineDead


class Workload(Protocol):
    """What a worker can do with units of work: an engine, and what plays on it."""

    @property
    def concurrency(self) -> int:
        """How many units at a time."""
        ...

    async def run(self, unit: Any, tell: Callable[[Any], None]) -> Any:
        """What comes of a unit; ``tell`` says at once what is worth keeping of one that is not finished.

        Whatever it raises ends the worker: a unit that fails as data returns that data.
        """
        ...

    async def aclose(self) -> None: ...


@dataclass
class Site:
    """Where a workload is opened. ``shelf`` outlives workloads: what is put there, such as engines, the next one finds.

    ``folders`` are folders of the driver that were carried here, each with its place on this machine.
    """

    shelf: dict[str, Any] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)

    def place(self, name: str) -> str:
        """Where a folder of the driver's is here; any other name as it is."""
        return self.folders.get(name, name)


@dataclass(frozen=True)
class Setup:
    """How a workload is opened: ``make``, called with a Site in the worker's process, in a thread without event loop.

    ``folders`` with weights must be there: those that a worker does not find at the same path are carried to it.
    """

    make: Callable[[Site], Workload]
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """News of the unit ``key``: ``what`` was told of it, or, with ``final``, came of it."""

    key: Any
    what: Any
    final: bool


class Worker:
    """A worker. After an exception from any method it is of no use, and its leases belong to others."""

    def __init__(self) -> None:
        self._site = Site()
        self._load: Workload | None = None
        self._opening = asyncio.Lock()
        self._slots = asyncio.Semaphore(1)
        self._tasks: dict[Any, asyncio.Task[None]] = {}
        self._news: asyncio.Queue[Said | BaseException] = asyncio.Queue()

    async def pid(self) -> int:
        """The process this worker is."""
        return os.getpid()

    async def open(self, setup: Setup) -> int:
        """Drop what was leased before, open a workload, and return its concurrency. Raises what opening raises."""
        async with self._opening:
            await self.forget([*self._tasks])
            if self._load is not None:
                await self._load.aclose()
                self._load = None
            for folder in [name for name in self._site.folders if name not in setup.folders]:
                shutil.rmtree(self._site.folders.pop(folder), ignore_errors=True)
            self._news.put_nowait(EngineDead("another workload was opened"))  # whoever still waits for news of this one
            self._news = asyncio.Queue()
            self._load = await asyncio.to_thread(setup.make, self._site)
            self._slots = asyncio.Semaphore(self._load.concurrency)
            return self._load.concurrency

    async def lease(self, units: Sequence[tuple[Any, Any]]) -> None:
        """Take (key, unit) pairs; more than the workload's concurrency wait here."""
        for key, unit in units:
            self._tasks[key] = asyncio.create_task(self._run(key, unit))

    async def news(self) -> list[Said]:
        """All there is to tell, once there is anything. Raises what a unit raised: the engine is dead, a disk full."""
        found = [await self._news.get()]
        while not self._news.empty():
            found.append(self._news.get_nowait())
        said = [item for item in found if isinstance(item, Said)]
        failures = [item for item in found if isinstance(item, BaseException)]
        if failures and not said:
            raise failures[0]
        for failure in failures:  # what was finished before is told first
            self._news.put_nowait(failure)
        return said

    async def forget(self, keys: Sequence[Any]) -> None:
        """Stop work on units that nobody wants any more."""
        gone = [task for key in keys if (task := self._tasks.pop(key, None)) is not None]
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)

    async def missing(self, folders: Mapping[str, Mapping[str, int]]) -> list[str]:
        """Which of the driver's folders, given as path -> file -> bytes, are not here, nor were carried here."""
        return [path for path, sizes in folders.items() if path not in self._site.folders and not _here(path, sizes)]

    async def keep(self, folder: str, name: str, data: Any) -> None:
        """Write a file of a folder that is carried here. Raises ValueError for a name that leads out of it."""
        if folder not in self._site.folders:
            self._site.folders[folder] = tempfile.mkdtemp(prefix="optima-weights-")
        root = Path(self._site.folders[folder])
        path = root / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ValueError(f"{name!r} is no file of {folder}")
        await asyncio.to_thread(_write, path, data)

    async def close(self) -> None:
        """Close the workload and forget what was carried here."""
        await self.forget([*self._tasks])
        if self._load is not None:
            await self._load.aclose()
        for part in self._site.shelf.values():
            if callable(end := getattr(part, "close", None)):
                await asyncio.to_thread(end)
        for folder in self._site.folders.values():
            shutil.rmtree(folder, ignore_errors=True)

    async def _run(self, key: Any, unit: Any) -> None:
        load = self._load
        if load is None:
            raise EngineDead("a worker was leased work before it opened anything")
        try:
            async with self._slots:
                what = await load.run(unit, lambda told: self._news.put_nowait(Said(key, told, False)))
        except asyncio.CancelledError:
            raise
        except BaseException as err:
            self._news.put_nowait(err)
        else:
            self._news.put_nowait(Said(key, what, True))
        finally:
            self._tasks.pop(key, None)


def sizes_of(folder: str) -> dict[str, int]:
    """The files of a folder by their names in it, with their bytes."""
    root = Path(folder)
    return {str(path.relative_to(root)): path.stat().st_size for path in sorted(root.rglob("*")) if path.is_file()}


def _here(folder: str, sizes: Mapping[str, int]) -> bool:
    with suppress(OSError):
        return all((Path(folder) / name).stat().st_size == size for name, size in sizes.items())
    return False


def _write(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as handle:
        handle.write(memoryview(data))
