"""Write the report.html of a run again.

Results, plots and every dialogue of a run, or of a suite of benchmarks, in one file.
"""

from __future__ import annotations

import argparse
from importlib.metadata import entry_points
from pathlib import Path

EXAMPLE = "optima report runs/quickstart"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, help="run directory, such as runs/quickstart or runs/bench/small")


def run(args: argparse.Namespace) -> int:
    from ..report.write import write_report

    # other packages' directories are known by a file in them, after which their entry point is named
    others = [point for point in entry_points(group="optima.reports") if (args.directory / point.name).is_file()]
    write = others[0].load() if others else write_report
    print(write(args.directory))
    return 0
