"""Other machines of a training: each waits for the trainings of a run, takes its part in one after the other, and ends
with the run.

The run directory is on a disk that all machines share: there a training stage leaves its job, and the machines read
its rows and models. Only the first machine writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ..config.loading import check
from ..config.settings import TrainConfig
from ..run.child import supervise
from ..run.files import read_json
from ..run.layout import RunDirectory
from ..run.stage import StageError
from .processes import command, surroundings

LOOK_S = 0.5
Attempt = tuple[str, int, int]  # a job's file, and which writing of it


def join(run_dir: Path, rank: int, over: Callable[[], bool], say: Callable[[str], None]) -> int:
    """Take part, as the ``rank``-th machine (from 1), in every training of a run until ``over()``; returns in how many.

    A training that fails here, because the first machine was lost say, is told, and its next attempt awaited.
    """
    files, seen, count = RunDirectory(run_dir), None, 0
    while not over():
        found = _attempt(files)
        if found is None or found == seen:
            time.sleep(LOOK_S)
            continue
        seen, job = found, Path(found[0])
        try:
            config = check(read_json(job)["config"], TrainConfig)
        except (OSError, ValueError, KeyError):  # it was over before we had read it
            continue
        if not 1 <= rank < config.train.machines:
            raise StageError(f"{job} is for {config.train.machines} machines, of which this is number {rank} from 0")
        say(f"training {job.parent.relative_to(run_dir)}")
        try:
            supervise(
                f"machine {rank}",
                command(config, job, rank),
                files.machine_log(rank),
                lambda event: None,
                surroundings(config),
            )
        except StageError as err:
            say(str(err))
        count += 1
    return count


def _attempt(files: RunDirectory) -> Attempt | None:
    """The latest job there is."""
    found = []
    for job in files.jobs():
        try:
            state = job.stat()
        except FileNotFoundError:
            continue
        found.append((state.st_mtime_ns, str(job), state.st_ino))
    if not found:
        return None
    when, name, inode = max(found)
    return name, when, inode
