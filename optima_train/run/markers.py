"""Markers: a stage is committed by DONE.json.

DONE.json is written last, so a directory with one is complete and one without is an interrupted attempt. It holds
all that later stages, the report and a resumed run need to know.
"""

from __future__ import annotations

import time
from pathlib import Path

from .digests import digest
from .failpoints import failpoint
from .files import fresh_directory, sync
from .layout import RunDirectory
from .records import Marker, SavedModel, read_marker, write_marker
from .stage import StageContext, StageError, StageResult, Step


def execute(step: Step, ctx: StageContext) -> Marker:
    """Run a step and commit it; returns its marker."""
    if not step.stage.resumes or not ctx.out.exists():
        fresh_directory(ctx.out)
    failpoint(step.path, "start")
    started = time.monotonic()
    result = step.stage.run(ctx)
    failpoint(step.path, "commit")
    return commit(step, ctx.run_dir, result, time.monotonic() - started)


def commit(step: Step, run_dir: Path, result: StageResult, seconds: float) -> Marker:
    """Flush the stage's files, then write the marker that makes them count."""
    stage = RunDirectory(run_dir).stage(step.path)
    out = stage.path
    files = sorted(path for path in out.rglob("*") if path.is_file())
    for path in files:
        sync(path)
    made = result.model
    marker = Marker(
        stage=step.stage.name,
        iteration=step.iteration,
        time=time.time(),
        seconds=round(seconds, 3),
        numbers=result.numbers,
        model=None if made is None else SavedModel.model_validate(made.to_json()),
        files={str(path.relative_to(out)): path.stat().st_size for path in files},
        digests={str(path.relative_to(out)): digest(path) for path in files},
    )
    write_marker(stage.marker, marker)
    failpoint(step.path, "committed")
    return marker


def committed(step: Step, run_dir: Path) -> Marker | None:
    """The marker of a finished step, else None. Raises StageError when its files are not as committed."""
    stage = RunDirectory(run_dir).stage(step.path)
    if not stage.marker.is_file():
        return None
    marker = read_marker(stage.marker)
    for name, size in marker.files.items():
        file = stage / name
        was = marker.digests.get(name)
        if not file.is_file() or file.stat().st_size != size or (was is not None and digest(file) != was):
            raise StageError(
                f"{file} is missing or changed since it was committed; delete {stage.path} to do the stage again"
            )
    return marker
