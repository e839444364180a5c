"""Progress: what a running stage tells whoever watches. Plain JSON, so that it crosses a process boundary."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["begin", "step", "done", "skipped"]


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total`` ``unit``s of the step ``path``; ``tokens`` sampled so far, ``rate`` of them per second.

    ``left`` is the estimated rest in seconds (None: not known). A ``done`` or ``skipped`` event carries the
    stage's ``numbers``. ``index`` of ``steps`` counts the steps of the whole run.
    """

    kind: Kind
    path: str
    done: int = 0
    total: int = 0
    unit: str = ""
    tokens: int = 0
    rate: float = 0.0
    left: float | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    index: int = 0
    steps: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class ProgressReporter:
    """Counts units of work and reports at most every ``every`` seconds, and at the end."""

    def __init__(
        self,
        report: Callable[[Progress], None],
        path: str,
        total: int,
        unit: str,
        *,
        before: int = 0,
        every: float = 0.5,
    ) -> None:
        self._report, self._path, self._total, self._unit, self._every = report, path, total, unit, every
        self._before = self._done = before
        self._tokens = 0
        self._started = self._last = time.monotonic()

    def count(self, tokens: int = 0, units: int = 1) -> None:
        """``units`` more are done; ``tokens`` of text were sampled for them."""
        self._done += units
        self._tokens += tokens
        now = time.monotonic()
        if now - self._last >= self._every or self._done >= self._total:
            self._last = now
            took = max(now - self._started, 1e-9)
            pace = (self._done - self._before) / took
            left = (self._total - self._done) / pace if pace > 0 else None
            self._report(
                Progress(
                    "step", self._path, self._done, self._total, self._unit, self._tokens, self._tokens / took, left
                )
            )


def silent(event: Progress) -> None:
    """Watches nothing."""
