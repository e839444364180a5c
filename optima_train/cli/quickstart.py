"""Run the whole loop on the embedded world and model.

It shows the untrained team, samples, ranks, selects and trains, iteration by iteration, and shows what changed. Minutes
on two cores, with --quick about one; no network. Run again, it resumes, or shows the results.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .train import launch, place, with_plugins
from .verbs import RESUMES

EXAMPLE = "optima quickstart"
AFTER_INTERRUPT = RESUMES


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("overrides", nargs="*", default=[], metavar="a.b=c", help="settings other than the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one iteration on fewer questions, in runs/quick")
    place(parser, "runs/quickstart")


def run(args: argparse.Namespace) -> int:
    from ..config.loading import load

    parts = ["quick"] if args.quick else []
    config = with_plugins(load("quickstart", [f"seed={args.seed}", *args.overrides], parts), args.plugin)
    return launch(config, args.out or Path("runs") / ("quick" if args.quick else "quickstart"))
