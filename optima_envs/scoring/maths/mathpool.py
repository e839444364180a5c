"""A bounded pool of killable child processes for math equivalence. Safe to call from any number of threads.

Children are started afresh (never forked from a process with threads), on demand, by file name with a pipe each; one
that used up its limit is gone, and the next call gets a new one. One that was ended from outside (a signal of the
kernel or of a person) says nothing about the answer, which is asked for once more. Nothing is pickled.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ...extras import install

WORKER = Path(__file__).with_name("mathworker.py")
START_LIMIT = 120.0  # seconds for a child to import its libraries, on a loaded machine
PATIENCE = 10.0  # a child gets this many times its processor time on the clock before it is killed
LIFETIME = 2_000  # calls after which a child is replaced, so that caches inside libraries cannot grow for ever


ATTEMPTS = 2  # children that are tried when one after the other is ended from outside
OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})


class MathError(RuntimeError):
    """The pool cannot work: the math extra is not installed, or children keep being ended from outside. Never raised
    because of an answer's text."""


class _Ended(Exception):
    """A child that gave no reply; ``outside``: that was none of its own doing."""

    def __init__(self, why: str, outside: bool) -> None:
        super().__init__(why)
        self.outside = outside


class _Child:
    def __init__(self) -> None:
        # -P: the folder of the script is not an import path
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is the parent's to handle
        )
        self.calls = 0
        self._buffer = b""
        first = self._reply(START_LIMIT)
        if "missing" in first:
            self.kill()
            raise MathError(f"math-verify cannot be imported ({first['missing']}); {install('math')}")

    def ask(self, request: dict[str, Any], limit: float) -> dict[str, Any]:
        """The reply. Raises _Ended when the child used up ``limit`` seconds of processor time, or died otherwise."""
        self.calls += 1
        assert self.process.stdin is not None  # noqa: S101 - for the type checker
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._ended(limit) from None
        return self._reply(PATIENCE * limit, limit)

    def _reply(self, patience: float, limit: float | None = None) -> dict[str, Any]:
        assert self.process.stdout is not None  # noqa: S101 - for the type checker
        descriptor, deadline = self.process.stdout.fileno(), time.monotonic() + patience
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    self.kill()
                    raise _Ended(f"the math worker said nothing for {patience:g} s and was stopped", outside=True)
                chunk = os.read(descriptor, 65_536)
                if not chunk:
                    raise self._ended(limit)
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def _ended(self, limit: float | None) -> _Ended:
        """Why the process, whose pipes are closed, came to its end."""
        try:
            code = self.process.wait(START_LIMIT)
        except subprocess.TimeoutExpired:
            return _Ended("the math worker closed its pipes", outside=True)
        finally:
            self.kill()
        when = "while starting" if limit is None else "while comparing"
        if code == -signal.SIGPROF:
            return _Ended(f"no result within {limit:g} s of processor time", outside=False)
        if code < 0:
            return _Ended(f"the math worker was ended by signal {-code} {when}", outside=-code in OUTSIDE)
        return _Ended(f"the math worker ended with exit code {code} {when}", outside=limit is None)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # a request never read is still in the buffer; the pipe is closed all the same


class Pool:
    """``size`` children at most (default: one a processor, 4 at most). ``stats`` counts calls, kills and starts."""

    def __init__(self, size: int | None = None) -> None:
        self.size = size or min(4, os.cpu_count() or 1)
        self.stats = {"calls": 0, "killed": 0, "started": 0}
        self._slots: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        self._pid = os.getpid()
        for _ in range(self.size):
            self._slots.put(None)

    def ask(self, answer: str, gold: str, limit: float) -> dict[str, Any]:
        """``{"equal": bool}``, or ``{"error": reason}``; ``limit`` in seconds of processor time. Waits for a free
        child.

        Raises MathError when no child can be started, or ATTEMPTS of them were ended from outside.
        """
        why = ""
        for _ in range(ATTEMPTS):
            child = self._slots.get()
            try:
                if child is None:
                    child = _Child()
                    self.stats["started"] += 1
                reply = child.ask({"answer": answer, "gold": gold, "limit": limit}, limit)
                self.stats["calls"] += 1
                if child.calls >= LIFETIME:
                    child.kill()
                    child = None
                return reply
            except _Ended as end:
                child, why = None, str(end)
                self.stats["killed"] += 1
                if not end.outside:
                    self.stats["calls"] += 1
                    return {"error": why}
            except BaseException:
                if child is not None:  # interrupted between request and reply: its pipe is out of step
                    child.kill()
                child = None
                raise
            finally:
                self._slots.put(child)
        raise MathError(f"{why}, {ATTEMPTS} times in a row: no verdict (out of memory?)")

    def close(self) -> None:
        """End idle children. The pool stays usable: later calls start new ones."""
        idle: list[_Child | None] = []
        while True:
            try:
                idle.append(self._slots.get_nowait())
            except queue.Empty:
                break
        for child in idle:
            if child is not None and self._pid == os.getpid():
                child.kill()
            self._slots.put(None)


_pools: dict[int, Pool] = {}


def shared() -> Pool:
    """The pool of this process, made at first use; a forked child gets its own, not its parent's pipes."""
    pid = os.getpid()
    if pid not in _pools:
        _pools.clear()
        _pools[pid] = Pool()
        atexit.register(_pools[pid].close)
    return _pools[pid]
