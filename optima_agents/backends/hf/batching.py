"""Many single awaits become batched calls: a queue and one worker thread in front of a function over batches."""

from __future__ import annotations

import asyncio
import atexit
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from ..base import EngineDead

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Collects at most ``max_batch`` items for at most ``max_wait_s`` seconds and hands them to ``run``.

    ``run`` returns one result per item, in order; an exception in place of a result fails that item alone, a raised
    one fails its batch. ``batches`` counts. The futures belong to no event loop, so one batcher may serve several loops
    in turn.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Sequence[Result | Exception]],
        *,
        max_batch: int = 64,
        max_wait_s: float = 0.005,
    ) -> None:
        if max_batch < 1 or max_wait_s < 0:
            raise ValueError("max_batch >= 1 and max_wait_s >= 0 are needed")
        self._run = run
        self._max_batch = max_batch
        self._max_wait = max_wait_s
        self._waiting: queue.SimpleQueue[tuple[Item, Future[Result]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="batcher", daemon=True)
        self._lock = threading.Lock()
        self._closed = False
        self.batches = 0

    async def submit(self, item: Item) -> Result:
        """The item's result. Raises EngineDead after ``close``."""
        future: Future[Result] = Future()
        with self._lock:
            if self._closed:
                raise EngineDead("the batcher is closed")
            if self._thread.ident is None:
                self._thread.start()
                # a daemon thread that dies with the interpreter inside native code aborts the whole process
                atexit.register(self.close)
            self._waiting.put((item, future))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish what was submitted and stop the thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._waiting.put(None)
        if self._thread.ident is not None:
            self._thread.join()
            atexit.unregister(self.close)

    def _serve(self) -> None:
        open_ = True
        while open_:
            batch, open_ = self._collect()
            live = [pair for pair in batch if pair[1].set_running_or_notify_cancel()]
            if live:
                self._answer(live)

    def _collect(self) -> tuple[list[tuple[Item, Future[Result]]], bool]:
        first = self._waiting.get()
        if first is None:
            return [], False
        batch, deadline = [first], time.monotonic() + self._max_wait
        while len(batch) < self._max_batch:
            try:
                pair = self._waiting.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if pair is None:
                return batch, False
            batch.append(pair)
        return batch, True

    def _answer(self, batch: list[tuple[Item, Future[Result]]]) -> None:
        try:
            results = self._run([item for item, _ in batch])
            if len(results) != len(batch):
                raise EngineDead(f"the engine gave {len(results)} results for {len(batch)} requests")
        except BaseException as err:  # whatever the engine raised belongs to the callers, not to this thread
            results = [err] * len(batch)
        self.batches += 1
        for (_, future), result in zip(batch, results, strict=True):
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
