"""Stages: the units of work of an iteration. Each writes into its own directory and is committed by DONE.json.

DONE.json is written last, so a directory with one is complete and one without is an interrupted attempt. It holds
all that later stages, the report and a resumed run need to know.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .failpoints import failpoint
from .files import fresh_directory, read_json, sync, write_json

if TYPE_CHECKING:
    from .engines import StageContext

MARKER = "DONE.json"
Room = Literal["inference", "training"]


class StageError(RuntimeError):
    """A stage cannot go on; the message is one line and names the way out."""


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model: a name or folder, and a folder of LoRA weights on top of it. Run-relative inside DONE.json."""

    model: str
    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage reports: plain finite numbers and counts, and the model it made, if any."""

    numbers: Mapping[str, Any] = field(default_factory=dict)
    model: ModelRef | None = None


class Stage(Protocol):
    """One unit of work.

    ``room`` says which stages may share a process: neighbours of one room do, so that an engine is loaded once.
    ``keeps`` is True for a stage that goes on from what an interrupted attempt left, else it starts afresh.
    """

    name: str
    room: Room
    keeps: bool

    def run(self, ctx: StageContext) -> StageResult:
        """Read earlier stages through ``ctx``, write into ``ctx.out``. Raises StageError."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """A stage at its place in the run; iteration -1 is the untrained team."""

    iteration: int
    stage: Stage

    @property
    def folder(self) -> str:
        """The iteration's directory in the run directory."""
        return "untrained" if self.iteration < 0 else f"it{self.iteration:03d}"

    @property
    def path(self) -> str:
        """The stage's directory in the run directory, and its name in messages."""
        return f"{self.folder}/{self.stage.name}"


def execute(step: Step, ctx: StageContext) -> dict[str, Any]:
    """Run a step and commit it; returns the marker's content."""
    if not step.stage.keeps or not ctx.out.exists():
        fresh_directory(ctx.out)
    failpoint(step.path, "start")
    started = time.monotonic()
    result = step.stage.run(ctx)
    failpoint(step.path, "commit")
    return commit(step, ctx.run_dir, result, time.monotonic() - started)


def commit(step: Step, run_dir: Path, result: StageResult, seconds: float) -> dict[str, Any]:
    """Flush the stage's files, then write the marker that makes them count."""
    out = run_dir / step.path
    files = sorted(path for path in out.rglob("*") if path.is_file())
    for path in files:
        sync(path)
    marker = {
        "stage": step.stage.name,
        "iteration": step.iteration,
        "time": time.time(),
        "seconds": round(seconds, 3),
        "numbers": dict(result.numbers),
        "model": None if result.model is None else asdict(result.model),
        "files": {str(path.relative_to(out)): path.stat().st_size for path in files},
    }
    write_json(out / MARKER, marker)
    failpoint(step.path, "committed")
    return marker


def committed(step: Step, run_dir: Path) -> dict[str, Any] | None:
    """The marker of a finished step, else None. Raises StageError when its files are not as committed."""
    out = run_dir / step.path
    if not (out / MARKER).is_file():
        return None
    marker = read_json(out / MARKER)
    for name, size in marker["files"].items():
        file = out / name
        if not file.is_file() or file.stat().st_size != size:
            raise StageError(f"{file} is missing or changed since it was committed; delete {out} to do the stage again")
    return marker
