"""Take part in the training of a run, as one more machine.

For a run with train.machines above 1, in a directory on a disk that the machines share. On the first machine is
optima train or optima resume; on each other one this command waits for the run's trainings and ends with the run.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ..run.layout import RunDirectory
from . import UserError

EXAMPLE = "optima join runs/quickstart --rank 1"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, help="run directory, here already or soon")
    parser.add_argument("--rank", type=int, required=True, help="which machine this is, from 1 (the first one is 0)")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from ..loop.runner import open_run
    from ..methods import plan
    from ..training.machines import LOOK_S, join

    if args.rank < 1:
        raise UserError("--rank counts from 1 here; machine 0 is the one with optima train")
    files, console = RunDirectory(args.directory), Console()

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    if not files.exists():
        say(f"waiting for the run in {args.directory}, which optima train begins on the first machine")
    while not files.exists():
        time.sleep(LOOK_S)
    last = files.stage(plan(open_run(args.directory))[-1].path)
    count = join(args.directory, args.rank, last.marker.is_file, say)
    say(f"the run is finished; took part in {count} trainings")
    return 0
