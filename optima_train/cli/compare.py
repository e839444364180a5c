"""Compare two teams on the instances both played.

Score, tokens and turns, paired, with 95% intervals. A and B are episode logs (from --out), run directories (their last
evaluation), or folders in them such as runs/x/untrained.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..run.layout import RunDirectory, StageDirectory
from . import UserError

if TYPE_CHECKING:
    from ..analysis.comparison import Comparison

EXAMPLE = "optima compare runs/a runs/b"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", type=Path, help="log or run directory")
    parser.add_argument("b", type=Path, help="log or run directory")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def run(args: argparse.Namespace) -> int:
    from optima_agents import EpisodeLog

    from ..analysis.comparison import compare

    paths = find(args.a), find(args.b)
    result = compare(*(EpisodeLog.iterate(path) for path in paths), seed=args.seed)
    if args.json:
        print(json.dumps({"a": str(paths[0]), "b": str(paths[1]), **asdict(result)}))
        return 0
    show(result, *paths)
    return 0


def find(path: Path) -> Path:
    """The episode log that ``path`` means. Raises UserError if there is none."""
    if path.is_file():
        return path
    trained = [stage for iteration, stage in RunDirectory(path).stages("evaluate") if iteration >= 0]
    for stage in (StageDirectory(path), StageDirectory(path / "evaluate"), *reversed(trained)):
        if stage.episodes.is_file():
            return stage.episodes
    raise UserError(f"{path} is no episode log, and no run directory with an evaluation in it")


def show(result: Comparison, a: Path, b: Path) -> None:
    """Print the table."""
    from rich.console import Console

    from ..report.tables import Table, say

    console = Console()
    rows = [
        {"measure": item.measure, "A": f"{item.a:.3f}", "B": f"{item.b:.3f}", "p": item.p,
         "gap": f"{item.difference:+.3f} [{item.interval[0]:+.3f}, {item.interval[1]:+.3f}]"}
        for item in result.differences
    ]  # fmt: skip
    columns, texts = ("measure", "A", "B", "gap", "p"), ("A", "B", "gap")
    titles = {"measure": "", "gap": "B - A [95% interval]"}
    Table(columns, rows, f"{result.n} instances", titles, texts).print(console)
    for name, path, alone in (("A", a, result.only_a), ("B", b, result.only_b)):
        left = f" ({alone} instances are not in the other one)" if alone else ""
        say(console, f"{name}: {path}{left}")
