"""How speed is measured here: CPU seconds of this process, rounds of all contenders in turn, median and range."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from optima_train.report.tables import Table

Work = Callable[[], int]


@dataclass(frozen=True)
class Rate:
    """Units of work per CPU second over several rounds."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Figure:
    """One promised figure: ``holds`` says whether ``value`` reaches ``target`` (None: reported only)."""

    name: str
    value: float
    target: float | None
    holds: bool


def figure(name: str, value: float, target: float | None = None, *, at_most: bool = False) -> Figure:
    """A figure whose value must be at least ``target``, or at most."""
    holds = target is None or (value <= target if at_most else value >= target)
    return Figure(name, round(value, 3), target, holds)


def rate(work: Work, seconds: float) -> float:
    """Units per CPU second while repeating ``work`` for ``seconds``; ``work`` returns how many units it did."""
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        done += work()
    return done / spent


def compare(contenders: Mapping[str, Work], rounds: int = 5, seconds: float = 2.0) -> dict[str, Rate]:
    """One warm-up round, then ``rounds`` rounds in which every contender runs once, so that slow spells hit all."""
    found = in_turn({name: partial(rate, work, seconds) for name, work in contenders.items()}, rounds)
    return {name: Rate(found.median(name), min(v), max(v)) for name, v in found.values.items()}


@dataclass(frozen=True)
class Rounds:
    """What every contender reached in each round."""

    values: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        return statistics.median(self.values[name])

    def ratio(self, name: str, base: str) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(a / b for a, b in zip(self.values[name], self.values[base], strict=True))


def in_turn(
    contenders: Mapping[str, Callable[[], float]],
    rounds: int,
    pause_s: float = 0.0,
    *,
    warm_up: Mapping[str, Callable[[], float]] | None = None,
    tell: bool = False,
) -> Rounds:
    """A round that warms up, then ``rounds`` in which every contender runs once, ``pause_s`` seconds after the last.

    ``warm_up``: what each contender does in the first round, where its whole work would take too long.
    ``tell``: write each value to stderr as it comes, for what takes long.
    """
    values: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, work in (contenders if turn else warm_up or contenders).items():
            time.sleep(pause_s)
            value = work()
            if tell:
                part = f"round {turn} of {rounds}" if turn else "warm-up"
                print(f"{time.strftime('%H:%M:%S')}  {part}: {name} {value:.4g}", file=sys.stderr, flush=True)
            if turn:
                values[name].append(value)
    return Rounds(values)


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """What every speed script takes; its docstring's first line is the description."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser


def conclude(figures: list[Figure], path: Path | None) -> int:
    """Print the figures as a table, write them to ``path``, and give the exit code: 0 when all hold."""
    rows = [
        {
            "figure": item.name,
            "value": f"{item.value:g}",
            "target": "" if item.target is None else f"{item.target:g}",
            "verdict": "" if item.target is None else "holds" if item.holds else "MISSED",
        }
        for item in figures
    ]
    Table(("figure", "value", "target", "verdict"), rows, texts=("value", "target", "verdict")).print(Console())
    if path:
        write_json(figures, path)
    return 0 if all(item.holds for item in figures) else 1


def write_json(figures: list[Figure], path: Path) -> None:
    path.write_text(json.dumps([asdict(item) for item in figures], indent=1) + "\n", encoding="utf-8")


def peak() -> int:
    """The most memory this process has held since it began, in bytes; what its parent held is not in it, as it is in
    ``ru_maxrss``."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise OSError("this system does not say how much memory a process held")
