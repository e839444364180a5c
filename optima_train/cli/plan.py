"""Plan a run before it is paid for, from two small runs of it here.

optima train RECIPE --dry-run estimates tokens, GPU-hours and disk from the recipe alone; this measures. The runs are
thrown away. Everything that costs time is in them: the engine, workers, ranking, training, new processes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import UserError

if TYPE_CHECKING:
    from ..config.settings import TrainConfig
    from .measuring import Expected

EXAMPLE = "optima plan quickstart --measure --seconds 120"
GROWTH = 3.0  # the second small run over the first, at most as the time that is left allows


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help="YAML file or packaged recipe")
    parser.add_argument("overrides", nargs="*", default=[], metavar="a.b=c", help="settings")
    parser.add_argument("--measure", action="store_true", help="run it small, twice; without, print the dry run")
    parser.add_argument("--seconds", type=float, default=120.0, help="of both small runs, roughly (default 120)")
    parser.add_argument("--share", type=float, default=0.02, help="of the instances in the first one (default 0.02)")
    parser.add_argument("--price", type=float, help="of an hour of all that the run uses, to print what it costs")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def run(args: argparse.Namespace) -> int:
    from ..config.loading import load
    from ..config.resolve import absolute_paths
    from ..planning.estimate import assume
    from ..run.plugins import import_plugins
    from .dry_run import show_plan
    from .measuring import expect, measure, smaller
    from .train import with_plugins

    if not 0 < args.share <= 1 or args.seconds <= 0:
        raise UserError("--share is above 0 and at most 1, --seconds above 0")
    config = absolute_paths(with_plugins(load(args.recipe, args.overrides), args.plugin))
    import_plugins(config.plugins, config.plugin_folders)
    if not args.measure:
        return show_plan(config, None, None, None)
    assumed = assume(config)
    with tempfile.TemporaryDirectory(prefix="optima-plan-") as folder:
        small = measure(smaller(config, args.share), Path(folder) / "small", assumed, play)
        took = sum(small.seconds.values()) + small.between
        growth = min(GROWTH, max(1.5, (args.seconds - took) / took))
        large = measure(smaller(config, args.share * growth), Path(folder) / "large", assumed, play)
    return show(args, expect(config, assumed, small, large), took + sum(large.seconds.values()) + large.between)


def play(config: TrainConfig, directory: Path) -> None:
    """Run a recipe, with progress on stderr."""
    from rich.console import Console

    from ..loop.experiment import Experiment
    from .watch import Watch

    with Watch(Console(stderr=True)) as watch:
        Experiment(config, directory).run(progress=watch)


def show(args: argparse.Namespace, found: Sequence[Expected], spent: float) -> int:
    """Print the steps, their sum, and what was assumed."""
    hours = sum(step.seconds for step in found) / 3600
    cost = None if args.price is None else hours * args.price
    if args.json:
        steps = {step.path: round(step.seconds, 3) for step in found}
        print(json.dumps({"hours": hours, "cost": cost, "steps": steps, "measured_in": spent}))
        return 0
    for step in found:
        print(f"{step.path:<24} {step.seconds:>12.1f} s{'' if step.known else '  as in the larger small run'}")
    print(f"{'total':<24} {hours:>12.3f} h{'' if cost is None else f', {cost:.2f}'}; measured in {spent:.0f} s")
    print(
        "assumed: iterations after the second take as long as it; a stage's seconds grow with its work in a straight "
        "line; dialogues are as long as in the small runs, whose models learn from less"
    )
    return 0
