"""How speed is measured here: CPU seconds of this process, rounds of all contenders in turn, median and range."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

Work = Callable[[], int]


@dataclass(frozen=True)
class Rate:
    """Units of work per CPU second over several rounds."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Figure:
    """One promised figure: ``holds`` when ``value`` is at least ``target`` (None: reported only)."""

    name: str
    value: float
    target: float | None
    holds: bool


def figure(name: str, value: float, target: float | None = None) -> Figure:
    return Figure(name, round(value, 3), target, target is None or value >= target)


def rate(work: Work, seconds: float) -> float:
    """Units per CPU second while repeating ``work`` for ``seconds``; ``work`` returns how many units it did."""
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        done += work()
    return done / spent


def compare(contenders: Mapping[str, Work], rounds: int = 5, seconds: float = 2.0) -> dict[str, Rate]:
    """One warm-up round, then ``rounds`` rounds in which every contender runs once, so that slow spells hit all."""
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, work in contenders.items():
            value = rate(work, seconds if turn else seconds / 4)
            if turn:
                measured[name].append(value)
    return {name: Rate(statistics.median(v), min(v), max(v)) for name, v in measured.items()}


def write_json(figures: list[Figure], path: Path) -> None:
    path.write_text(json.dumps([asdict(item) for item in figures], indent=1) + "\n", encoding="utf-8")
