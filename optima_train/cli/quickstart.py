"""Run the whole loop on the embedded world and model: show the untrained team, then sample, rank, select and train,
iteration by iteration, and show what changed. Minutes on two cores, no network. Run again, it goes on or shows the
results."""

from __future__ import annotations

import argparse
from pathlib import Path

from .train import launch


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("overrides", nargs="*", metavar="a.b=c", help="settings other than the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dir", type=Path, help="run directory (default runs/quickstart)")


def run(args: argparse.Namespace) -> int:
    from ..config.loading import load

    config = load("quickstart", [f"seed={args.seed}", *args.overrides])
    return launch(config, args.dir or Path("runs") / "quickstart")
