"""Decoder: one thread that samples for many requests at once over a ``SlotCache`` (continuous batching).

Requests join at any step, finished rows leave at once, known prefixes come from the ``PrefixPool``, and requests
that wait for the same unknown prefix wait until the first of them has computed it.
"""

from __future__ import annotations

import atexit
import math
import queue
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import torch

from optima_envs.records import Finish, Usage

from ..base import BackendError, Completion, EngineDead, Sampling
from .prefixes import BLOCK, PrefixPool
from .sampling import choose, draws
from .slots import SlotCache

FIRST_COLUMNS = 256


@dataclass(eq=False)
class Row:
    """One request in the engine: ``ids`` are prompt and sampled tokens; all but the last are in the cache."""

    ids: list[int]
    sampling: Sampling
    limit: int
    uniform: list[float]
    adapter: str | None
    future: Future[Completion] = field(default_factory=Future)
    prompt: int = 0
    cached: int = 0
    logprobs: list[float] = field(default_factory=list)


class Decoder:
    """``model`` is a causal language model in eval mode, ``lock`` guards its forward passes.

    ``decode`` turns ids into text, ``stop_ids`` end a turn, ``window`` is the longest sequence in tokens,
    ``prefill_tokens`` the most prompt tokens of one forward pass.
    """

    def __init__(
        self,
        model: Any,
        decode: Callable[[Sequence[int]], str],
        stop_ids: Collection[int],
        window: int,
        *,
        max_batch: int,
        max_wait_s: float,
        prefix_bytes: int,
        prefill_tokens: int,
        lock: threading.Lock,
        by_name: bool = False,
    ) -> None:
        self.model = model
        self.decode = decode
        self.stop_ids = frozenset(stop_ids)
        self.window = window
        self.max_batch = max_batch
        self.max_wait = max_wait_s
        self.prefill_tokens = prefill_tokens
        self.lock = lock
        self.by_name = by_name
        self.pool = PrefixPool(prefix_bytes)
        self.cache = SlotCache.of(model, slots=max_batch, columns=FIRST_COLUMNS)
        self.active: list[Row] = []
        self.waiting: list[Row] = []
        self.dead: str | None = None
        self.passes = 0
        self._inbox: queue.SimpleQueue[Row | Callable[[], None] | None] = queue.SimpleQueue()
        self._closed = False
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="decoder", daemon=True)

    def submit(self, prompt: Sequence[int], sampling: Sampling, seed: int, adapter: str | None) -> Future[Completion]:
        """Queue one request whose prompt fits the window. Raises EngineDead when the engine is gone or closed."""
        limit = min(sampling.max_tokens, self.window - len(prompt))
        uniform = draws(seed, limit).tolist() if sampling.temperature > 0 else [0.0] * limit
        row = Row(list(prompt), sampling, limit, uniform, adapter, prompt=len(prompt))
        self._send(row)
        return row.future

    def reset(self) -> None:
        """Forget all known prefixes; call it after any change of the weights."""
        self._send(self.pool.clear)

    def close(self) -> None:
        """Finish what was submitted and stop the thread."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._inbox.put(None)
        if self._thread.ident is not None:
            self._thread.join()
            atexit.unregister(self.close)

    def _send(self, item: Row | Callable[[], None]) -> None:
        with self._guard:
            if self.dead is not None or self._closed:
                raise EngineDead(self.dead or "the engine is closed")
            if self._thread.ident is None:
                self._thread.start()
                # a daemon thread that dies with the interpreter inside native code aborts the whole process
                atexit.register(self.close)
            self._inbox.put(item)

    @torch.inference_mode()
    def _serve(self) -> None:
        try:
            while self._take():
                self._leave([index for index, row in enumerate(self.active) if row.future.cancelled()])
                self._admit()
                if self.active:
                    self._leave(self._forward(0, self.active, [len(row.ids) - 1 for row in self.active]))
        except BaseException as err:  # the thread must not die in silence: every caller hears of it
            with self._guard:
                self.dead = f"{type(err).__name__}: {err}"
            self._fail_all()

    def _fail_all(self) -> None:
        rows = self.active + self.waiting
        while not self._inbox.empty():
            item = self._inbox.get()
            rows += [item] if isinstance(item, Row) else []
        for row in rows:
            if not row.future.done():
                row.future.set_exception(EngineDead(str(self.dead)))

    def _take(self) -> bool:
        """Move new requests to ``waiting``; when idle, wait for some. False once closed and done."""
        deadline = 0.0
        while True:
            idle = not self.active and not self.waiting
            wait = None if idle else max(0.0, deadline - time.monotonic())
            try:
                item = self._inbox.get(timeout=wait) if wait is None or wait > 0 else self._inbox.get_nowait()
            except queue.Empty:
                return True
            if item is None:
                self._inbox.put(None)  # seen again on the next call, until nothing is left to do
                return not idle
            if isinstance(item, Row):
                if idle:  # the first of a burst: the others are given a moment to arrive
                    deadline = time.monotonic() + self.max_wait
                self.waiting.append(item)
                if len(self.waiting) >= self.max_batch:
                    return True
            else:
                item()

    def _admit(self) -> None:
        self.waiting = [row for row in self.waiting if not row.future.cancelled()]
        while self.waiting and len(self.active) < self.max_batch:
            first, wave = len(self.active), self._wave()
            self._widen(max(len(row.ids) for row, _ in wave))
            for offset, (row, places) in enumerate(wave):
                self.pool.load(places, self.cache, first + offset)
                row.cached = len(places) * BLOCK
            self.active += [row for row, _ in wave]
            self._prefill(first)

    def _wave(self) -> list[tuple[Row, list[int]]]:
        """Requests to start together, longest remainder first; those that would repeat another's work stay behind."""
        wave: list[tuple[Row, list[int]]] = []
        later: list[Row] = []
        begun: set[Any] = set()
        for row in self.waiting:
            if len(self.active) + len(wave) == self.max_batch:
                later.append(row)
                continue
            places, missing = self.pool.match(row.adapter, row.ids)
            if missing in begun:
                later.append(row)
                continue
            if missing is not None:
                begun.add(missing)
            wave.append((row, places))
        self.waiting = later
        return sorted(wave, key=lambda item: len(item[1]) * BLOCK - len(item[0].ids))

    def _prefill(self, first: int) -> None:
        """Compute the prompts of the rows from ``first`` on, a bounded number of tokens at a time."""
        finished: list[int] = []
        while first < len(self.active):
            longest = len(self.active[first].ids) - self.active[first].cached
            count = max(1, self.prefill_tokens // longest)
            rows = self.active[first : first + count]
            finished += self._forward(first, rows, [row.cached for row in rows])
            for offset, row in enumerate(rows):
                self.pool.save(row.adapter, row.ids[: row.prompt], self.cache, first + offset)
            first += count
        self._leave(finished)

    def _forward(self, first: int, rows: list[Row], starts: list[int]) -> list[int]:
        """Feed each row its tokens from ``starts`` on and sample one more. Returns the numbers of finished rows."""
        self._widen(max(len(row.ids) for row in rows))
        counts = [len(row.ids) - start for row, start in zip(rows, starts, strict=True)]
        device = self.model.device
        mask, positions = self.cache.place(first, starts, counts, device, self.model.dtype)
        longest = max(counts)
        ids = [[0] * (longest - count) + row.ids[-count:] for row, count in zip(rows, counts, strict=True)]
        extra = {"adapter_names": [row.adapter or "__base__" for row in rows]} if self.by_name else {}
        with self.lock:
            logits = self.model(
                input_ids=torch.tensor(ids, device=device),
                attention_mask=mask,
                position_ids=positions,
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
                **extra,
            ).logits[:, -1]
        self.passes += 1
        options = torch.tensor(
            [(r.sampling.temperature, r.sampling.top_p, r.uniform[len(r.logprobs)]) for r in rows],
            dtype=torch.float64,
            device=device,
        )
        wanted = any(row.sampling.logprobs for row in rows)
        chosen, scores = choose(logits, options[:, 0], options[:, 1], options[:, 2], logprobs=wanted)
        finished = []
        for offset, (row, token, score) in enumerate(zip(rows, chosen.tolist(), scores.tolist(), strict=True)):
            row.ids.append(token)
            row.logprobs.append(score)
            if self._settle(row):
                finished.append(first + offset)
        return finished

    def _settle(self, row: Row) -> bool:
        """Resolve the row's future if its turn is over."""
        if not math.isfinite(row.logprobs[-1]):
            return _give(row, BackendError("the model's logits are not finite; are its weights damaged?"))
        ids = row.ids[row.prompt :]
        if ids[-1] in self.stop_ids:
            return _give(row, self._completion(row, self.decode(ids[:-1]), "stop"))
        if row.sampling.stop:
            text = self.decode(ids)
            cuts = [at for mark in row.sampling.stop if (at := text.find(mark)) >= 0]
            if cuts:
                return _give(row, self._completion(row, text[: min(cuts)], "stop"))
        if len(ids) >= row.limit:
            return _give(row, self._completion(row, self.decode(ids), "length"))
        return False

    def _completion(self, row: Row, text: str, finish: Finish) -> Completion:
        ids = tuple(row.ids[row.prompt :])
        usage = Usage(row.prompt, len(ids), row.cached)
        logprobs = tuple(row.logprobs) if row.sampling.logprobs else None
        return Completion(text, len(ids), tuple(row.ids[: row.prompt]), ids, logprobs, finish, usage)

    def _leave(self, finished: list[int]) -> None:
        """Free the slots of finished rows; the last rows move into the gaps, so the active ones stay neighbours."""
        for index in sorted(finished, reverse=True):
            row = self.active[index]
            self.pool.save(row.adapter, row.ids[:-1], self.cache, index)
            last = self.active.pop()
            if index < len(self.active):
                self.active[index] = last
                self.cache.move(len(self.active), index, len(last.ids) - 1)

    def _widen(self, longest: int) -> None:
        columns = self.cache.columns
        while columns < longest + 1:  # one more column takes the padding
            columns = min(columns * 2, self.window + 1)
        if columns > self.cache.columns:
            self.cache.widen(columns)


def _give(row: Row, result: Completion | BackendError) -> bool:
    """True: the row is done. A caller that gave up in the meantime is no error."""
    if row.future.set_running_or_notify_cancel():
        if isinstance(result, BackendError):
            row.future.set_exception(result)
        else:
            row.future.set_result(result)
    return True
