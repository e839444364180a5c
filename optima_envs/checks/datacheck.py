"""Check a whole data file for an environment: every row is read, split, and its golds scored against themselves."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..records import Instance
from ..scenario import Scenario, scenario
from ..tasks.dataset import Dataset
from ..tasks.loading import Data, DataError
from ..text import printable

SHOWN = 3
NOTHING = "  nothing odd"
_MOJIBAKE = re.compile("\u00c3[\u0080-\u00bf]|\u00e2\u20ac")
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff\x00-\x08\x0b-\x1f]")
_ENTITY = re.compile(r"&(?:amp|quot|lt|gt|#\d+);")


@dataclass
class Report:
    """What a check found. ``bad`` rows break the schema, ``left_out`` rows have no gold to score; the rest is usable.
    ``oddities`` maps what is odd to the ids concerned; printing it gives the whole report."""

    env: str
    origin: str
    rows: int
    usable: int
    bad: list[str] = field(default_factory=list[str])
    left_out: list[str] = field(default_factory=list[str])
    oddities: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def ok(self) -> bool:
        """Whether no row breaks the schema and every gold scores 1 against itself."""
        return not self.bad

    def __str__(self) -> str:
        lines = [f"{self.env}: {self.origin}, {self.rows} rows, {self.usable} usable"]
        lines += [f"  bad row: {text}" for text in self.bad]
        lines += [f"  left out: {text}" for text in self.left_out]
        for what, ids in sorted(self.oddities.items(), key=lambda item: (-len(item[1]), item[0])):
            more = ", ..." if len(ids) > SHOWN else ""
            lines.append(f"  {len(ids)} x {what} ({', '.join(ids[:SHOWN])}{more})")
        # ids and reasons come from the file
        return "\n".join(printable(line, lines=False) for line in (lines if len(lines) > 1 else [*lines, NOTHING]))


def check(env: str, data: Data) -> Report:
    """Validate ``data`` for the environment ``env``. Raises DataError when it cannot be read at all or has no usable
    row, UnknownName for an unknown environment, ValueError for one that is not made from records."""
    scene = scenario(env, data=data, skip_bad_rows=True)
    task = scene.task
    if not isinstance(task, Dataset):
        raise DataError(f"{env} is not made from records, so there is no file to check")
    report = Report(env, task.origin, len(task) + len(task.skipped), len(task))
    for skip in task.skipped:
        where = report.left_out if skip.unusable else report.bad
        where.append(f"row {skip.row} (id {skip.id}): {skip.reason}")
    found: defaultdict[str, list[str]] = defaultdict(list)
    first: dict[str, str] = {}
    for inst in task:
        for note in dict.fromkeys([*_kinds(inst), *_looks(inst)]):
            found[note].append(inst.id)
        if (before := first.setdefault(inst.question, inst.id)) != inst.id:
            found["asks what another row asks"].append(f"{inst.id} as {before}")
        if wrong := _unscorable(scene, inst):
            report.bad.append(f"{inst.id}: the gold {wrong!r} does not score 1 against itself")
    report.oddities = dict(found)
    return report


def _kinds(inst: Instance) -> Iterator[str]:
    # the part before the colon names the kind of oddity, the rest the place
    for note in inst.meta.get("notes", ()):
        yield str(note).split(":", 1)[0]


def _looks(inst: Instance) -> Iterator[str]:
    texts = [inst.question, *inst.answers, *inst.private.values()]
    for name, pattern in (("wrongly decoded text", _MOJIBAKE), ("invisible characters", _INVISIBLE), ("HTML", _ENTITY)):
        if any(pattern.search(text) for text in texts):
            yield name
    if len(inst.question) > 4_000:
        yield "question over 4,000 characters"
    halves = [text.lower() for text in inst.private.values()]
    golds = [answer.lower() for answer in inst.answers]
    if halves and golds[0] not in ("yes", "no") and not any(gold in half for gold in golds for half in halves):
        yield "no gold occurs word for word in any half"
    if any(not text.strip() for text in inst.private.values()):
        yield "an agent holds nothing"


def _unscorable(scene: Scenario, inst: Instance) -> str | None:
    return next(
        (gold for gold in inst.answers if not scene.metric.correct(scene.metric.score(gold, inst.answers))), None
    )
