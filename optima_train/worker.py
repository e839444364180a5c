"""A child process for heavy stages: when it ends, all its memory is really free.

The parent reads JSON lines from the child's standard output (progress, commits, heartbeats, errors); everything the
child's libraries print goes to ``run.log``. The child watches its standard input: when the parent dies, however
suddenly, the pipe closes and the child leaves at once, so no orphan writes into the run directory.
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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .progress import Progress
from .stages import StageError, Step

LOG = "run.log"
LOCK = ".worker.lock"
HEARTBEAT_S = 5.0
ORPHAN_GRACE_S = 60.0
TAIL_LINES = 12


def launch(
    run_dir: Path,
    steps: Sequence[Step],
    report: Callable[[Progress], None],
    commit: Callable[[str, dict[str, Any]], None],
) -> None:
    """Run ``steps`` in one child; ``commit(path, marker)`` is called as each is committed.

    Raises StageError with the child's own message, or with its exit code and its last log lines.
    """
    command = [sys.executable, "-m", "optima_train.worker", str(run_dir), *(step.path for step in steps)]
    log_path = run_dir / LOG
    with log_path.open("a", encoding="utf-8") as log:
        begin = log.tell()
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    problem = None
    try:
        assert child.stdout is not None  # noqa: S101 - for the type checker: PIPE was asked for
        for line in child.stdout:
            event = json.loads(line)
            if event["event"] == "progress":
                report(Progress(**event["progress"]))
            elif event["event"] == "commit":
                commit(event["path"], event["marker"])
            elif event["event"] == "error":
                problem = event["message"]
        code = child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
    if problem is not None:
        raise StageError(problem)
    if code:
        raise StageError(
            f"{_names(steps)}: the worker ended with {_cause(code)}; {log_path} ends:\n{tail(log_path, begin)}"
        )


def tail(path: Path, begin: int = 0, lines: int = TAIL_LINES) -> str:
    """The last ``lines`` lines of a log after byte ``begin``."""
    with path.open("rb") as handle:
        handle.seek(max(begin, path.stat().st_size - 20_000))
        text = handle.read().decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-lines:])


def _names(steps: Sequence[Step]) -> str:
    return ", ".join(step.path for step in steps)


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"signal {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


class _Channel:
    """The child's way to its parent: the original standard output, which nothing else may write to."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # whatever a library prints goes to the log
        self._lock = threading.Lock()

    def send(self, event: str, **content: Any) -> None:
        with self._lock:
            self._stream.write(json.dumps({"event": event, **content}) + "\n")
            self._stream.flush()


def _watch_parent(channel: _Channel) -> None:
    while True:
        ready, _, _ = select.select([0], [], [], HEARTBEAT_S)
        if ready and not os.read(0, 1):
            os._exit(1)
        channel.send("heartbeat", peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main(arguments: Sequence[str]) -> int:
    """``RUN_DIR STEP ...``: execute and commit the named steps in order; returns the exit code."""
    from filelock import FileLock

    channel = _Channel()
    threading.Thread(target=_watch_parent, args=(channel,), daemon=True).start()
    run_dir, wanted = Path(arguments[0]), arguments[1:]
    try:
        # an orphan of a killed run may need a moment to notice; it must not write beside us
        with FileLock(run_dir / LOCK, timeout=ORPHAN_GRACE_S):
            _execute(run_dir, wanted, channel)
    except Exception as err:
        import traceback

        traceback.print_exc()
        text = str(err) if isinstance(err, StageError) else f"{', '.join(wanted)}: {type(err).__name__}: {err}"
        channel.send("error", message=text)
        return 1
    return 0


def _execute(run_dir: Path, wanted: Sequence[str], channel: _Channel) -> None:
    from .running import Runner, open_run

    config = open_run(run_dir)
    runner = Runner(config, run_dir, lambda event: channel.send("progress", progress=event.to_json()))
    try:
        for path in wanted:
            marker: Mapping[str, Any] = runner.execute(path)
            channel.send("commit", path=path, marker=marker)
    finally:
        runner.close()


if __name__ == "__main__":
    # the engines' threads may not end by themselves; everything is on the disk by now
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
