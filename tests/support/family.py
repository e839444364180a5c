"""The processes below a process, and whether they are gone; waiting is done by the kernel."""

from __future__ import annotations

import os
import select
from pathlib import Path


def below(pid: int) -> list[int]:
    """The ids of all processes that ``pid`` or one below it has started and that still run."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *below(int(child))]
    return found


class Watched:
    """Processes held by file descriptors, so that a new process with an old number is never taken for one of them."""

    def __init__(self, pids: list[int]) -> None:
        self.names = {
            os.pidfd_open(pid): Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") for pid in pids
        }

    def left(self, seconds: float) -> list[bytes]:
        """The command lines of those that have not ended when ``seconds`` have passed, or earlier, when all have."""
        for fd in list(self.names):
            ready, _, _ = select.select([fd], [], [], seconds)
            if ready:
                del self.names[fd]
                os.close(fd)
        return sorted(self.names.values())
