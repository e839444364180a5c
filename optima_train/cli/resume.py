"""Resume an interrupted run.

It has the settings it was started with. A finished run shows its results.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from . import UserError
from .train import launch
from .verbs import RESUMES

EXAMPLE = "optima resume runs/2wmh-isft"
AFTER_INTERRUPT = RESUMES


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, help="run directory, such as runs/quickstart")
    parser.add_argument("--push", metavar="REPO", help="upload the trained model to this hub repository at the end")


def run(args: argparse.Namespace) -> int:
    from ..config.loading import load
    from ..run.layout import RunDirectory

    saved = RunDirectory(args.directory).resolved
    if not saved.is_file():
        raise UserError(f"{args.directory} is no run directory (it has no {saved.name})")
    return launch(load(saved), args.directory, args.push)
