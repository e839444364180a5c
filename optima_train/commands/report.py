"""Write a run's report.html again: results, plots and a browser for every dialogue, in one file."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, help="run directory, such as runs/quickstart")


def run(args: argparse.Namespace) -> int:
    from ..report import write_report

    print(write_report(args.directory))
    return 0
