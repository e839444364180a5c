"""Child processes that report JSON lines, log what their libraries print, and never outlive their parent.

The parent reads events from the child's standard output; everything else the child prints goes to a log. A child has a
process group of its own, which ends with it: an engine's processes do not stay behind, however the child ended. The
child watches its standard input: when the parent dies, however suddenly, the pipe closes and the child's group is
killed, and so do processes that inherit the pipe. So no orphan writes into the run directory.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import boot
from .stage import StageError

HEARTBEAT_S = 5.0
TERMINATION_S = 5.0  # from asking a child to end until its group is killed
TAIL_LINES = 12
# libraries start processes of their own by -m or -c, which would put the current folder first on the path
SAFE_PATH = {"PYTHONSAFEPATH": "1"}


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours; see ``boot``."""
    return [sys.executable, "-P", str(boot.__file__), module, *arguments]


def supervise(
    name: str,
    command: Sequence[str],
    log_path: Path,
    handle: Callable[[dict[str, Any]], None],
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run ``command`` to its end; ``handle`` gets its events but for errors, ``environment`` is added to ours.

    Whatever ends this call ends the command and the processes it started. Raises StageError with the child's own
    message, or with its exit code and its last log lines.
    """
    with log_path.open("a", encoding="utf-8") as log:
        begin = log.tell()
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **SAFE_PATH, **(environment or {})},
            process_group=0,
        )
        problem = None
        try:
            assert child.stdout is not None  # noqa: S101 - for the type checker: PIPE was asked for
            for line in child.stdout:
                event = _event(line)
                if event is None:
                    log.write(line)  # a launcher in between may print too
                    log.flush()
                elif event["event"] == "error":
                    problem = problem or event["message"]
                else:
                    handle(event)
            code = child.wait()
        finally:
            _end(child)
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
    if problem is not None:
        raise StageError(problem)
    if code:
        raise StageError(f"{name}: the worker ended with {_cause(code)}; {log_path} ends:\n{tail(log_path, begin)}")


def _end(child: subprocess.Popen[str]) -> None:
    """Ask a child that still runs to end, then kill its group: what is left of the child, and what it started."""
    try:
        if child.poll() is None:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(TERMINATION_S)
    finally:  # also when Ctrl-C is pressed again meanwhile
        with suppress(ProcessLookupError, PermissionError):  # nobody is left
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def tail(path: Path, begin: int = 0, lines: int = TAIL_LINES) -> str:
    """The last ``lines`` lines of a log after byte ``begin``."""
    with path.open("rb") as handle:
        handle.seek(max(begin, path.stat().st_size - 20_000))
        text = handle.read().decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-lines:])


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"signal {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


class Channel:
    """The child's way to its parent: the original standard output, which nothing else may write to.

    Opening it starts the watch over the parent.
    """

    def __init__(self, *, heartbeat: bool = True) -> None:
        self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # whatever a library prints goes to the log
        self._lock = threading.Lock()
        threading.Thread(target=self._watch_parent, args=(heartbeat,), daemon=True).start()

    def send(self, event: str, **content: Any) -> None:
        with self._lock:
            self._stream.write(json.dumps({"event": event, **content}) + "\n")
            self._stream.flush()

    def fail(self, name: str, err: Exception) -> None:
        """Report an error as the end of this child: its message to the parent, its traceback to the log."""
        traceback.print_exception(err)
        self.send("error", message=str(err) if isinstance(err, StageError) else f"{name}: {type(err).__name__}: {err}")

    def _watch_parent(self, heartbeat: bool) -> None:
        while True:
            ready, _, _ = select.select([0], [], [], HEARTBEAT_S)
            if ready and not os.read(0, 1):
                if os.getpgrp() == os.getpid():
                    os.killpg(0, signal.SIGKILL)
                os._exit(1)
            if heartbeat:
                self.send("heartbeat", peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
