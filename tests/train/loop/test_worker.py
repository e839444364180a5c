"""The child that runs a stage: one at a time in a run directory, nothing of an unfinished attempt is kept, and what
counts is on the disk before it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from support.processes import flushed

from optima_train.config import load
from optima_train.loop import worker
from optima_train.run import files
from optima_train.run.engines import Engines, ModelRef
from optima_train.run.layout import RunDirectory
from optima_train.run.markers import execute
from optima_train.run.progress import silent
from optima_train.run.stage import StageContext, StageKind, StageResult, Step


class Told:
    """A channel that keeps what it is told."""

    failed: list[str]

    def __init__(self) -> None:
        Told.failed = []

    def fail(self, where: str, err: Exception) -> None:
        Told.failed.append(f"{where}: {err}")


def test_a_second_worker_does_not_write_beside_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    monkeypatch.setattr(worker, "Channel", Told)
    monkeypatch.setattr(worker, "ORPHAN_GRACE_S", 0.1)
    monkeypatch.setattr(worker, "_execute", lambda *given: ran.append(given))
    with FileLock(RunDirectory(tmp_path).worker_lock):
        assert worker.main([str(tmp_path), "it000/generate"]) == 1
    assert not ran and "worker.lock" in Told.failed[0]
    assert worker.main([str(tmp_path), "it000/generate"]) == 0
    assert len(ran) == 1 and not Told.failed


class Writes:
    """A stage that writes one file; ``resumes``: it goes on with what is there."""

    name = "generate"
    kind: StageKind = "inference"

    def __init__(self, *, resumes: bool) -> None:
        self.resumes = resumes

    def run(self, ctx: StageContext) -> StageResult:
        (ctx.out / "new.txt").write_text("new")
        return StageResult({})


@pytest.mark.parametrize("resumes", [True, False])
def test_only_a_stage_that_resumes_sees_what_an_attempt_before_left(tmp_path: Path, resumes: bool) -> None:
    config = load("quickstart")
    step = Step(0, Writes(resumes=resumes))
    ctx = StageContext(config, tmp_path, step, ModelRef("x"), ModelRef("x"), Engines(config), silent)
    ctx.out.mkdir(parents=True)
    (ctx.out / "half.txt").write_text("half")
    marker = execute(step, ctx)
    assert set(marker.files) == ({"half.txt", "new.txt"} if resumes else {"new.txt"})


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return flushed(monkeypatch)


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, synced: list[str]) -> None:
    files.write_text(tmp_path / "results.json", "{}")
    assert [name.startswith(".results.json") for name in synced] == [True, False]
    assert synced[1] == tmp_path.name, "and then its name"


def test_a_stages_files_are_on_the_disk_before_its_marker(tmp_path: Path, synced: list[str]) -> None:
    config = load("quickstart")
    step = Step(0, Writes(resumes=False))
    execute(step, StageContext(config, tmp_path, step, ModelRef("x"), ModelRef("x"), Engines(config), silent))
    assert synced.index("new.txt") < next(at for at, name in enumerate(synced) if name.startswith(".DONE.json"))
