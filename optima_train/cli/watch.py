"""Live progress of a run: a bar per step on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..run.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

EVERY = 10.0


class Watch:
    """A progress callback and context manager. ``finished(path)`` is called after each step that is done now."""

    def __init__(self, console: Console, finished: Callable[[str], None] | None = None) -> None:
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._console = console
        self._finished = finished
        self._last = 0.0
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.fields[place]} {task.description:<20}"),
            BarColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bars.add_task("starting", place="", detail="", total=None)

    def __enter__(self) -> Watch:
        self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bars.stop()

    def __call__(self, event: Progress) -> None:
        place = f"[{event.index + 1}/{event.steps}]" if event.steps else ""
        if event.kind in ("begin", "step"):
            self._bars.update(
                self._task,
                description=event.path,
                place=place.replace("[", r"\["),
                completed=event.done,
                total=event.total or None,
                detail=detail(event),
            )
        if self._console.is_terminal and event.kind in ("begin", "step"):
            return
        if event.kind == "step" and time.monotonic() - self._last < EVERY:
            return
        self._last = time.monotonic()
        if event.kind == "step":
            self._say(f"{place} {event.path}: {detail(event)}")
        elif event.kind == "begin":
            self._say(f"{place} {event.path}")
        elif event.kind == "done":
            self._say(f"{place} {event.path} done{numbers(event)}")
            if self._finished is not None:
                self._finished(event.path)

    def _say(self, line: str) -> None:
        self._console.print(line.strip(), markup=False, highlight=False)


def detail(event: Progress) -> str:
    """``120/768 dialogues, 950 tokens/s, 1:05 left``; what is not known is left out."""
    parts = []
    if event.total:
        parts.append(f"{event.done}/{event.total} {event.unit}".rstrip())
    if event.rate:
        parts.append(f"{event.rate:.0f} tokens/s")
    if event.left is not None and event.done < event.total:
        parts.append(f"{clock(event.left)} left")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """``65`` gives ``1:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def numbers(event: Progress) -> str:
    """The plain numbers a finished step reports, on one line."""
    shown = [f"{name} {value:.4g}" for name, value in event.numbers.items() if isinstance(value, (int, float))]
    return ": " + ", ".join(shown) if shown else ""
