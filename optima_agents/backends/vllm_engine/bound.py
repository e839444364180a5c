"""Processes that end with the one that started them, however it ends: killed, terminated or out of memory.

vLLM's engines are told to stop by their parent, so one that dies without a word leaves them, with all their memory, for
good. Linux can send a process a signal when its parent dies; that is asked for before anything is loaded.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from typing import Any

PR_SET_PDEATHSIG = 1
# one at a time: a method of all processes is replaced meanwhile. A forked child goes on as the thread that holds it
_one = threading.RLock()


def end_with(parent: int) -> None:
    """This process is killed when the thread of ``parent`` that started it ends; on Linux alone."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


class Bound:
    """``target``, run by a process that ends with ``parent``; it can be sent to a process that is started anew."""

    def __init__(self, target: Callable[..., Any], parent: int) -> None:
        self.target, self.parent = target, parent

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        end_with(self.parent)
        with children_end_with_us():  # an engine has workers
            return self.target(*args, **kwargs)


class Children:
    """The processes that an engine is made of, so that its start can be given up half-way."""

    def __init__(self) -> None:
        self._given_up = False
        self._started: list[BaseProcess] = []

    def add(self, process: BaseProcess) -> None:
        self._started.append(process)

    def check(self) -> None:
        """Raises RuntimeError when no more of them may be started."""
        if self._given_up:
            raise RuntimeError("the start was given up")

    def kill(self) -> None:
        """End those there are, and let no others begin."""
        self._given_up = True
        for process in list(self._started):
            with suppress(ValueError):  # vLLM has closed it already
                process.kill()


@contextmanager
def children_end_with_us(children: Children | None = None) -> Iterator[None]:
    """While the block runs, processes that this thread starts by ``multiprocessing`` are ``Bound`` to it, and theirs to
    them: they end at the latest when the thread does."""
    children = children or Children()
    with _one:
        usual, thread = BaseProcess.start, threading.get_ident()

        def start(self: Any) -> None:
            if threading.get_ident() != thread:
                usual(self)
                return
            children.check()
            if self._target is not None:
                self._target = Bound(self._target, os.getpid())
            usual(self)
            children.add(self)

        BaseProcess.start = start  # type: ignore[method-assign]
        try:
            yield
        finally:
            BaseProcess.start = usual  # type: ignore[method-assign]
