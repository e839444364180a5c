"""Tables of answers with their verdicts, one file a metric in tests/envs/scoring/cases (format: its first line)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "envs" / "scoring" / "cases"
_CHARACTER = re.compile(r"\\u([0-9a-f]{4})")


class Case(NamedTuple):
    """``verdict``: what stands before the first blank; ``golds``: what stands behind the last bar."""

    verdict: str
    answer: str
    golds: list[str]


def cases(name: str) -> dict[str, list[Case]]:
    """The cases of one file by their kind."""
    kinds: dict[str, list[Case]] = {}
    kind = ""
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").split("\n"):
        if line.startswith("# "):
            kind = line[2:]
        elif line and not line.startswith("% "):
            verdict, _, rest = line.partition(" ")
            answer, bar, golds = rest.rpartition(" | ")
            read = [shown(gold) for gold in golds.split("; ")] if bar else []
            kinds.setdefault(kind, []).append(Case(verdict, shown(answer if bar else rest), read))
    return kinds


def shown(text: str) -> str:
    """``text`` with its characters that are written as numbers."""
    return _CHARACTER.sub(lambda match: chr(int(match[1], 16)), text)
