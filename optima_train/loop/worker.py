"""A child process for heavy stages: when it ends, all its memory is really free."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..run.child import Channel, python, supervise
from ..run.layout import RunDirectory
from ..run.progress import Progress
from ..run.records import Marker, decode
from ..run.signals import ending_as_ctrl_c
from ..run.stage import Step

ORPHAN_GRACE_S = 60.0


def launch(
    run_dir: Path,
    steps: Sequence[Step],
    report: Callable[[Progress], None],
    commit: Callable[[str, Marker], None],
) -> None:
    """Run ``steps`` in one child; ``commit(path, marker)`` is called as each is committed.

    Raises StageError with the child's own message, or with its exit code and its last log lines.
    """
    paths = [step.path for step in steps]

    def handle(event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            report(Progress(**event["progress"]))
        elif event["event"] == "commit":
            commit(event["path"], decode(Marker, event["marker"], event["path"]))

    supervise(
        ", ".join(paths),
        python("optima_train.loop.worker", str(run_dir), *paths),
        RunDirectory(run_dir).log,
        handle,
    )


def main(arguments: Sequence[str]) -> int:
    """``RUN_DIR STEP ...``: execute and commit the named steps in order; returns the exit code."""
    from filelock import FileLock

    channel = Channel()
    run_dir, wanted = Path(arguments[0]), arguments[1:]
    try:
        # an orphan of a killed run may need a moment to notice; it must not write beside us
        with FileLock(RunDirectory(run_dir).worker_lock, timeout=ORPHAN_GRACE_S):
            _execute(run_dir, wanted, channel)
    except Exception as err:
        channel.fail(", ".join(wanted), err)
        return 1
    return 0


def _execute(run_dir: Path, wanted: Sequence[str], channel: Channel) -> None:
    from .runner import Runner, open_run

    config = open_run(run_dir)
    runner = Runner(config, run_dir, lambda event: channel.send("progress", progress=event.to_json()))
    try:
        for path in wanted:
            channel.send("commit", path=path, marker=runner.execute(path).model_dump())
    finally:
        runner.close()


if __name__ == "__main__":
    try:
        with ending_as_ctrl_c():
            code = main(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.stdout.flush()
    os._exit(code)  # the engines' threads may not end by themselves; everything is on the disk by now
