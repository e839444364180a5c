"""OwnLoop: an event loop in a thread of its own, for engines and clients that may only ever be used from one loop.

Callers come from any loop, one after another or at once (every ``rollout`` call has its own).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from .base import EngineDead

T = TypeVar("T")
HURRY_S = 0.1


class OwnLoop:
    """The thread starts with the first call and ends with ``close``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._guard = threading.Lock()
        self._closed = False

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, awaited from the caller's loop; cancelling the caller cancels it.

        Raises EngineDead after ``close``.
        """
        return await asyncio.wrap_future(self._submit(work))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work`` for a synchronous caller; never call it from a coroutine."""
        return self._submit(work).result()

    def close(self, hurry: Callable[[], None] | None = None) -> None:
        """Stop the loop; what still runs in it is cancelled. ``hurry`` is called at once, and again while something
        holds the loop up."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
        if self._loop is not None:
            ended = asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop)
            while hurry is not None and not ended.done():
                hurry()
                with suppress(TimeoutError):
                    ended.result(HURRY_S)
            ended.result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._guard:
            if self._closed:
                work.close()
                raise EngineDead(f"the {self._name} backend is closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
