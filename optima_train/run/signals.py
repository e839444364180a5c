"""Signals that end a process: SIGTERM and SIGHUP do what Ctrl-C does, so that engines and children are closed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending_as_ctrl_c() -> Iterator[list[int]]:
    """While the block runs; gives the list of the signals that came. One that the caller's shell ignores (nohup) stays
    ignored. In another thread than the main one, which alone gets signals, nothing changes."""
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        interrupt = signal.getsignal(signal.SIGINT)
        if callable(interrupt):  # Python's own, or the one of a running event loop
            interrupt(signal.SIGINT, frame)
        else:  # a job in the background of a script ignores Ctrl-C, but must end when it is told to
            raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {
            number: signal.signal(number, handle) for number in ENDING if signal.getsignal(number) == signal.SIG_DFL
        }
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
